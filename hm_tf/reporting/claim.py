"""What runs claim, in one sentence with its threat model."""

from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.robustness_score import COLUMNS
from hm_tf.reporting.recorded_scores import SCORE, clean_results, paper_row, text
from robust_tf.threat_model import format_magnitude

# A share of fewer queries is so rough that the claim says "only".
FEW_QUERIES = 100


def claim(runs):
    """Returns the sentence on the run with the highest score; a score never stands without R@1.

    Args:
        runs: list of `ReportedRun`.
    """
    run = max(runs, key=_score)
    others = f", of {len(runs)} runs the one with the highest score" if len(runs) > 1 else ""
    first = run.recorded.results[0]
    about = f"{run.name} ({first.model}, seed {first.training_seed}{others}) on {run.dataset}"
    shown = paper_row(run.rows)
    if shown is None:
        return f"{about} makes no claim: no ranking attack was measured."
    if run.collapsed:
        recall = text("R@1", run.values.get("R@1"))
        return f"{about} has collapsed (R@1 {recall} %): its score means nothing."
    return f"{about}: {_fall(run, shown)}; {_scored(run, shown)}."


def _fall(run, shown):
    """How far R@1 falls: before and after of the same queries, or of how many each is."""
    found, how = _lowest_recall(run, shown)
    clean = clean_results(run.recorded.measured, _gallery(found)).get("R@1")
    if found is None:
        recall = text("R@1", run.values.get("R@1"))
        return f"R@1 {recall} % of clean images, no attack on it was measured"
    after = f"{100 * found.value:.1f} %"
    only = "only " if found.n < FEW_QUERIES else ""
    queries = f"{only}{found.n:,} queries"
    if clean is not None and clean.n == found.n:
        before = f"{100 * clean.value:.1f} %"
        return f"{_attacker(found)} lowers R@1 of {queries} from {before} to {after} {how}"
    before = f"R@1 of all {clean.n:,} images is {100 * clean.value:.1f} %; " if clean else ""
    return f"{before}{_attacker(found)} leaves R@1 of {queries} {after} {how}"


def _lowest_recall(run, shown):
    """(`Result` of R@1 under attack, how it was attacked): the lowest of the worst cases."""
    worst = [
        (result, row)
        for row in run.rows
        for result in row.results
        if result.attack == WORST_CASE and row.strength != "transfer"
    ]
    if worst:
        result, row = min(worst, key=lambda pair: pair[0].value)
        over = ", ".join(result.attack_settings["over"])
        return result, f"in the worst case of {over} ({row.mode}, {row.strength})"
    attacks = {column.attack for column in COLUMNS}
    recalls = [r for r in shown.results if r.metric == "R@1" and r.attack in attacks]
    if not recalls:
        return None, ""
    lowest = min(recalls, key=lambda result: result.value)
    names = ", ".join(result.attack for result in recalls)
    which = f"the strongest of {names}" if len(recalls) > 1 else "the only such attack measured"
    return lowest, f"by {lowest.attack}, {which}"


def _gallery(result):
    return result and result.attack_settings.get("gallery", result.n)


def _attacker(result):
    threat = result.threat_model
    return (
        "an attacker who knows the network and may change every pixel of a query by at most "
        f"{format_magnitude(threat['eps'])} (L-infinity, images in [{threat['lower']:g}, "
        f"{threat['upper']:g}])"
    )


def _scored(run, row):
    if SCORE not in run.values:
        return "no score, since not all ten attack columns were measured"
    scored = [r for r in run.rows if SCORE in r.values and r.strength != "transfer"]
    lowest = min(scored, key=lambda r: r.values[SCORE])
    fall = ""
    if lowest.values[SCORE] < row.values[SCORE]:
        value = text(SCORE, lowest.values[SCORE])
        fall = f", {value} at the lowest ({lowest.mode}, {lowest.strength})"
    score = text(SCORE, row.values[SCORE])
    return f"ERS {score} of 100 ({row.mode}, {row.strength}){fall}; its columns below"


def _score(run):
    return -1 if run.collapsed else run.values.get(SCORE, -1)
