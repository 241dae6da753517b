"""Receiver operating characteristics, one curve per network (TLA, figure 5)."""

from robust_tf.reports.panels import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    panels,
)

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY_BLUE, BLACK)
# Told apart without colours too.
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))


def roc_figure(title, curves):
    """Returns the figure, all curves in one panel; the dotted diagonal is chance.

    Args:
        title: str.
        curves: dict, name -> (false positive rates, true positive rates, area under the curve).
    """
    figure, (axis,) = panels(title, [""], side=4.2)
    axis.plot([0, 1], [0, 1], color=GRAY, linestyle=":", linewidth=1)
    for order, (name, (false_rates, true_rates, area)) in enumerate(curves.items()):
        style = {"color": COLOURS[order % len(COLOURS)], "linestyle": LINES[order % len(LINES)]}
        axis.plot(false_rates, true_rates, label=f"{name}, AUC {area:.3f}", **style)
    axis.set(
        xlabel="correctly classified images rejected",
        ylabel="misclassified images rejected",
        xlim=(0, 1),
        ylim=(0, 1.01),
    )
    axis.set_box_aspect(1)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return figure
