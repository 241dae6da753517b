"""Retrieval metrics as a table, made of stored results only."""

HEADER = ("metric", "attack", "steps", "n", "value %", "95% interval")


def metric_table(results):
    """Returns `results` (list of `Result`) as aligned text for a terminal, one line each."""
    lines = [HEADER, *map(_cells, results)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(result):
    low, high = result.interval or (None, None)
    interval = "-" if low is None else f"{100 * low:.2f} to {100 * high:.2f}"
    steps = str(result.attack_settings.get("steps", "-"))
    value = f"{100 * result.value:.2f}"
    return result.metric, result.attack, steps, str(result.n), value, interval
