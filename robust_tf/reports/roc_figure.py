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
    legend_below,
    panels,
)

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY_BLUE, BLACK)
# Told apart without colours too.
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))


def roc_figure(title, curves_by_panel, labels):
    """Returns the figure: one panel per attack, the dotted diagonal is chance.

    The legend has a network's areas in the order of the panels.

    Args:
        title: str.
        curves_by_panel: dict, name of a panel -> dict, name of a network -> (false positive rates,
            true positive rates, area under the curve). Networks in the same order in each.
        labels: (str, str), what the two rates are.
    """
    figure, axes = panels(title, list(curves_by_panel), side=3.8)
    figure.get_layout_engine().set(w_pad=0.1)  # the tick labels of neighbours almost touch
    columns = list(curves_by_panel.values())
    areas = {name: " → ".join(f"{of[name][2]:.3f}" for of in columns) for name in columns[0]}
    for axis, curves in zip(axes, columns, strict=True):
        axis.plot([0, 1], [0, 1], color=GRAY, linestyle=":", linewidth=1)
        for order, (name, (false_rates, true_rates, _)) in enumerate(curves.items()):
            style = {"color": COLOURS[order % len(COLOURS)], "linestyle": LINES[order % len(LINES)]}
            axis.plot(false_rates, true_rates, label=f"{name}: AUC {areas[name]}", **style)
        axis.set(xlabel=labels[0], xlim=(0, 1), ylim=(0, 1.01))
        axis.set_box_aspect(1)
    axes[0].set_ylabel(labels[1])
    legend_below(figure, axes, most_columns=2)
    return figure
