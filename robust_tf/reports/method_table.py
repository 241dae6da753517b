"""Methods against attacks or metrics, over seeds, as a Markdown table of stored results only."""

import collections
import statistics

from robust_tf.reports.table import markdown
from robust_tf.threat_model import format_magnitude


def method_table(results):
    """Returns one row per (method, model, n), one column per measurement, of one dataset.

    A cell is the value in percent; with several training seeds mean +- sample standard deviation,
    and how many where the row has more. A measurement that was repeated counts once, with its
    latest value. Other threat models and worst cases over other attacks are other measurements.

    Args:
        results: list of `Result` of one dataset.
    """
    titles = _titles(results)
    rows = collections.defaultdict(lambda: collections.defaultdict(dict))
    for result in results:
        row = rows[result.method, result.model, result.n]
        row[_measurement(result)][result.training_seed] = 100 * result.value
    lines = []
    for (method, model, n), row in rows.items():
        seeds = len({seed for values in row.values() for seed in values})
        cells = [_cell(list(row[measurement].values()), seeds) for measurement in titles]
        lines.append([method, model, str(seeds), f"{n:,}", *cells])
    return markdown(["method", "model", "seeds", "n", *titles.values()], lines)


def _measurement(result):
    """(name, eps and norm, attacks of a worst case), which tell measurements apart."""
    name = result.column
    if result.metric != "accuracy":
        name = result.metric if result.attack == "clean" else f"{result.attack} {result.metric}"
    threat = result.threat_model  # {} of clean images
    ball = tuple(threat[part] for part in ("eps", "norm") if part in threat)
    return name, ball, tuple(result.attack_settings.get("over", ()))


def _titles(results):
    """Returns dict measurement -> title, which says no more than it takes to tell them apart."""
    measurements = dict.fromkeys(map(_measurement, results))
    balls = {ball for _, ball, _ in measurements if ball}
    sets = {over for *_, over in measurements if over}
    titles = {}
    for name, ball, over in measurements:
        title = f"{name} of {len(over)}" if over and len(sets) > 1 else name
        if ball and len(balls) > 1:
            title += f", {ball[1]} eps {format_magnitude(ball[0])}"
        titles[name, ball, over] = title
    return titles


def _cell(values, seeds):
    if not values:
        return "-"
    fewer = f" ({len(values)} of {seeds} seeds)" if len(values) < seeds else ""
    if len(values) == 1:
        return f"{values[0]:.2f}{fewer}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}{fewer}"
