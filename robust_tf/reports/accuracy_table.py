"""Clean and robust accuracy as a table, made of stored results only."""

from robust_tf.reports.table import aligned
from robust_tf.threat_model import format_magnitude

HEADER = ("attack", "steps", "step size", "restarts", "n", "accuracy %", "95% interval", "eps")


def plain_table(results):
    """Returns `results` (list of `Result`) as aligned text for a terminal, one line each."""
    return aligned(HEADER, accuracy_lines(results))


def accuracy_lines(results):
    """Returns the lines below `HEADER`, tuples of str.

    The norm stands beside eps as soon as one of `results` has another than L-infinity.
    """
    norms = {result.threat_model.get("norm", "linf") for result in results}
    return [_cells(result, norms != {"linf"}) for result in results]


def _cells(result, with_norm):
    settings, (low, high) = result.attack_settings, result.interval
    threat, queries = result.threat_model, settings.get("queries")
    eps = _magnitude(threat.get("eps"))
    return (
        result.column,
        f"{queries} queries" if queries else str(settings.get("steps", "-")),
        _magnitude(settings.get("step_size")),
        str(settings.get("restarts", "-")),
        str(result.n),
        f"{100 * result.value:.2f}",
        f"{100 * low:.2f} to {100 * high:.2f}",
        f"{threat['norm']} {eps}" if threat and with_norm else eps,
    )


def _magnitude(value):
    return "-" if value is None else format_magnitude(value)
