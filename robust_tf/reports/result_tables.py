"""Columns of the tables of stored results: accuracies, retrieval metrics, analyses."""

import dataclasses
import statistics

from robust_tf.evaluation.reference_images import limited_reference
from robust_tf.reports.table import Column, text_table
from robust_tf.threat_model import format_magnitude

DOUBTED = "!"  # behind a number that its evaluation doubts


def doubts(result):
    """Returns what the evaluation doubts in a `Result`, tuple of str."""
    return tuple(warning["message"] for warning in getattr(result, "warnings", ()))


def interval(digits, scale=1.0):
    """Returns a function (`Result`) -> its 95 % interval, or its spread, as text; None without.

    Args:
        digits: int, digits after the point.
        scale: factor of the values, 100 for percent.
    """

    def text(result):
        if result.spread is not None:
            return f"± {scale * result.spread:.{digits}f} over k-means seeds"
        if not result.interval:
            return None
        low, high = (scale * bound for bound in result.interval)
        return f"{low:.{digits}f} to {high:.{digits}f}"

    return text


def radius(threat):
    """Returns eps of the threat model of a `Result`, with its norm unless that is L-infinity.

    None without an attack.
    """
    if not threat:
        return None
    norm = "" if threat["norm"] == "linf" else f" ({threat['norm']})"
    return f"{format_magnitude(threat['eps'])}{norm}"


def setting(name):
    """Returns a function (`Result`) -> a setting of its attack, None without it."""
    return lambda result: result.attack_settings.get(name)


def accuracy_columns(results):
    """Returns the columns of a table of accuracies.

    The norm stands beside ε as soon as one of `results` has another norm than L-infinity.

    Args:
        results: list of `Result`, the lines of the table.
    """
    norms = {result.threat_model.get("norm", "linf") for result in results}

    def eps(result):
        threat = result.threat_model
        norm = f"{threat['norm']} " if threat and norms != {"linf"} else ""
        return f"{norm}{format_magnitude(threat['eps'])}" if threat else None

    return (
        Column("attack", lambda result: result.column),
        Column("steps", _steps),
        Column("step size", setting("step_size"), format_magnitude),
        Column("restarts", setting("restarts")),
        Column("seed", _seed),
        Column("n", lambda result: result.n),
        Column("accuracy %", lambda r: marked(f"{100 * r.value:.2f}", [r])),
        Column("95% interval", interval(2, 100.0)),
        Column("eps", eps),
    )


def accuracy_table(results):
    """Returns `results` (list of `Result`) as aligned text, and a line per doubt about them."""
    return "\n".join([text_table(accuracy_columns(results), results), *doubt_lines(results)])


def metric_table(results):
    """Returns retrieval metrics (list of `Result`) as `accuracy_table` returns accuracies."""
    return "\n".join([text_table(METRIC_COLUMNS, results), *doubt_lines(results)])


def measurement_table(groups):
    """Returns analyses (list of lists of `Result`, see `seeds_of`) likewise."""
    lines = doubt_lines([result for group in groups for result in group])
    return "\n".join([text_table(MEASUREMENT_COLUMNS, groups), *lines])


def doubt_lines(results):
    """Returns a line of text per doubt about `results`, a list of `Result`."""
    said = dict.fromkeys(message for result in results for message in doubts(result))
    return [f"{DOUBTED} {message}" for message in said]


def marked(text, results):
    """Returns a cell's text with the mark of numbers that their evaluation doubts."""
    return f"{text} {DOUBTED}" if any(map(doubts, results)) else text


def _seed(result):
    return result.seed if result.threat_model else None


def _steps(result):
    queries = result.attack_settings.get("queries")
    return f"{queries} queries" if queries else result.attack_settings.get("steps")


METRIC_COLUMNS = (
    Column("metric", lambda result: result.metric),
    Column("attack", lambda result: result.attack),
    Column("steps", setting("steps")),
    Column("seed", _seed),
    Column("n", lambda result: result.n),
    Column("value %", lambda r: marked(f"{100 * r.value:.2f}", [r])),
    Column("95% interval, ± sd", interval(2, 100.0)),
)


def _metric(result):
    limited, step = limited_reference(result), result.attack_settings.get("step")
    if limited is not None:
        used, split = limited
        return f"{result.metric}, {used:,} of {split:,} training images"
    return result.metric if step is None else f"{result.metric}, step {step}"


def seeds_of(results, names):
    """Returns the list of lists of `Result` that differ in their training seed only.

    Args:
        results: list of `Result`; of a repeated measurement the last counts.
        names: dict hash of the weights -> name of the method, which replaces the record's:
            trainings of one method may differ in more than the seed. See `names_by_weights`.
    """
    groups = {}
    for result in results:
        named = dataclasses.replace(result, method=names.get(result.weights_hash, result.method))
        place = named.method, _metric(named), named.attack, named.n
        threat = named.threat_model.get("eps"), named.threat_model.get("norm")
        groups.setdefault((*place, *threat), {})[named.training_seed] = named
    return [list(group.values()) for group in groups.values()]


def _mean(results):
    if len(results) == 1 and isinstance(results[0].value, int):
        return marked(str(results[0].value), results)
    return marked(f"{statistics.mean(result.value for result in results):.4f}", results)


def _spread(results):
    if len(results) > 1:
        return f"± {statistics.stdev(result.value for result in results):.4f}"
    return interval(4)(results[0])


# Of the lists of `seeds_of`.
MEASUREMENT_COLUMNS = (
    Column("method", lambda results: results[0].method),
    Column("seeds", len),
    Column("metric", lambda results: _metric(results[0])),
    Column("attack", lambda results: results[0].attack),
    Column("eps", lambda results: radius(results[0].threat_model)),
    Column("n", lambda results: results[0].n),
    Column("value", _mean),
    Column("95% interval, ± sd over seeds", _spread),
)
