"""Retrieval metrics as a table, made of stored results only."""

from robust_tf.reports.table import aligned

HEADER = ("metric", "attack", "steps", "n", "value %", "95% interval")


def metric_table(results):
    """Returns `results` (list of `Result`) as aligned text for a terminal, one line each."""
    return aligned(HEADER, [_cells(result) for result in results])


def _cells(result):
    low, high = result.interval or (None, None)
    interval = "-" if low is None else f"{100 * low:.2f} to {100 * high:.2f}"
    steps = str(result.attack_settings.get("steps", "-"))
    value = f"{100 * result.value:.2f}"
    return result.metric, result.attack, steps, str(result.n), value, interval
