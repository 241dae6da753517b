"""Receiver operating characteristics, one curve per network (TLA, figure 5)."""

from robust_tf.reports.method_colours import looks
from robust_tf.reports.panels import GRAY, WIDTH, legend_below, panels, wrapped


def roc_figure(title, curves_by_panel, labels):
    """Returns the figure: one panel per attack, the dotted diagonal is chance.

    The legend has a network's areas in the order of the panels.

    Args:
        title: str.
        curves_by_panel: dict, name of a panel -> dict, name of a network -> (false positive rates,
            true positive rates, area under the curve). Networks in the same order in each.
        labels: (str, str), what the two rates are.
    """
    figure, axes = panels(title, list(curves_by_panel))
    figure.get_layout_engine().set(w_pad=0.1)  # the tick labels of neighbours almost touch
    columns = list(curves_by_panel.values())
    areas = {name: " → ".join(f"{of[name][2]:.3f}" for of in columns) for name in columns[0]}
    styles = looks(areas)
    for axis, curves in zip(axes, columns, strict=True):
        axis.plot([0, 1], [0, 1], color=GRAY, linestyle=":", linewidth=1)
        for name, (false_rates, true_rates, _) in curves.items():
            axis.plot(false_rates, true_rates, label=f"{name}: AUC {areas[name]}", **styles[name])
        axis.set(xlim=(0, 1), ylim=(0, 1.01))
        axis.set_xlabel(wrapped(labels[0], WIDTH / 2.5), fontsize="small")
        axis.set_box_aspect(1)
    axes[0].set_ylabel(labels[1], fontsize="small")
    legend_below(figure, axes, most_columns=1)
    said = (f"{name}: AUC {', '.join(areas[name].split(' → '))}" for name in areas)
    figure.set_label(f"{' and '.join(curves_by_panel)}; {'; '.join(said)}")
    return figure
