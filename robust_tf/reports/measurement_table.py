"""Measurements of several runs as a table, made of stored results only."""

from robust_tf.evaluation.reference_images import limited_reference
from robust_tf.reports.table import aligned

HEADER = ("method", "seed", "metric", "attack", "n", "value", "95% interval")


def measurement_table(results):
    """Returns `results` (list of `Result`) as aligned text for a terminal, one line each."""
    return aligned(HEADER, [measurement_cells(result) for result in results])


def measurement_cells(result):
    """Returns the cells of a line below `HEADER`, all str."""
    low, high = result.interval or (None, None)
    interval = "-" if low is None else f"{low:.4f} to {high:.4f}"
    where = result.method, str(result.training_seed), _metric(result), result.attack
    value = str(result.value) if isinstance(result.value, int) else f"{result.value:.4f}"
    return *where, str(result.n), value, interval


def _metric(result):
    limited = limited_reference(result)
    if limited is None:
        return result.metric
    used, split = limited
    return f"{result.metric}, {used:,} of {split:,} training images"
