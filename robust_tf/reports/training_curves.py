"""The course of training of several runs, made of their metrics.jsonl only."""

from robust_tf.reports.line_figure import Line, Panel, line_figure


def training_curves(metrics, quantities):
    """Returns the figure, one panel a quantity that any run has; None if there is nothing to draw.

    Args:
        metrics: dict, name of the run -> list of dicts, the lines of its metrics.jsonl.
        quantities: dict, text of the y axis -> names of the metric, of which a run has one.
    """
    panels = [
        Panel("update", title, lines)
        for title, names in quantities.items()
        if (lines := [line for run in metrics.items() if (line := _line(*run, names))])
    ]
    return line_figure("training", panels) if panels else None


def _line(run, records, names):
    name = next((name for name in names if any(name in record for record in records)), None)
    points = [(record["step"], record[name]) for record in records if name in record]
    return Line(run, *map(list, zip(*points))) if points else None
