"""Clean and robust accuracy as a table, made of stored results only."""

from robust_tf.reports.table import aligned, markdown
from robust_tf.threat_model import format_magnitude

HEADER = ("attack", "steps", "step size", "restarts", "n", "accuracy %", "95% interval", "eps")


def plain_table(results):
    """Returns `results` (list of `Result`) as aligned text for a terminal, one line each."""
    return aligned(HEADER, [accuracy_cells(result) for result in results])


def markdown_table(results):
    """Returns `results` (list of `Result`) as a Markdown table."""
    return markdown(HEADER, [accuracy_cells(result) for result in results])


def accuracy_cells(result):
    """Returns the cells of a line below `HEADER`, all str."""
    settings, (low, high) = result.attack_settings, result.interval
    return (
        result.column,
        str(settings.get("steps", "-")),
        _magnitude(settings.get("step_size")),
        str(settings.get("restarts", "-")),
        str(result.n),
        f"{100 * result.value:.2f}",
        f"{100 * low:.2f} to {100 * high:.2f}",
        _magnitude(result.threat_model.get("eps")),
    )


def _magnitude(value):
    return "-" if value is None else format_magnitude(value)
