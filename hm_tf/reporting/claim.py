"""What runs, a list of `ReportedRun`, claim, in one sentence with its threat model."""

from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.recorded_scores import (
    SCORE,
    claimed_row,
    latest_clean,
    score_falls,
    text,
)
from hm_tf.evaluation.robustness_score import COLUMNS
from robust_tf.reports.verdict import doubtful
from robust_tf.threat_model import format_magnitude

# A share of fewer queries is so rough that the claim says "only".
FEW_QUERIES = 100


def headline(runs):
    """Returns (message, level) for the top of the page of one method: its claim."""
    recorded, shown = runs[0].recorded, claimed_row(runs[0].rows)
    doubt = doubtful(recorded, (shown or recorded).results[-1])
    return doubt + claim(runs), "red" if doubt or runs[0].collapsed else ""


def claim(runs):
    """Returns the sentence on the run with the highest score; R@1 stands beside every score.

    The whole sentence is of the threat model of `claimed_row`. Runs under other evaluation
    conditions cannot be ranked: then the sentence is on the first run with a score.
    """
    run, others = _chosen(runs)
    first = run.recorded.results[0]
    about = f"{run.name} ({first.model}, seed {first.training_seed}{others}) on {run.dataset}"
    shown = claimed_row(run.rows)
    if shown is None:
        return f"{about} makes no claim: no ranking attack was measured."
    if run.collapsed:
        recall = text("R@1", run.values.get("R@1"))
        return f"{about} has collapsed (R@1 {recall} %): its score means nothing."
    return f"{about}: {_fall(run, shown)}; {_scored(run, shown)}."


def _chosen(runs):
    """(the run that the claim is about, why it)."""
    shown = [(run, claimed_row(run.rows)) for run in runs]
    scored = [(run, row) for run, row in shown if row is not None and row.scored]
    if len(runs) == 1:
        return runs[0], ""
    if not scored:
        return runs[0], f", the first of {len(runs)} runs"
    if len({(row.mode, row.on) for _, row in scored}) > 1:
        unlike = "whose scores are of unlike attacks or queries and cannot be ranked"
        return scored[0][0], f", one of {len(runs)} runs {unlike}"
    run, _ = max(scored, key=lambda pair: pair[1].values[SCORE])
    return run, f", of {len(runs)} runs the one with the highest score"


def _fall(run, shown):
    """How far R@1 falls: before and after of the same queries, or of how many each is."""
    found, how = _lowest_recall(run, shown)
    gallery = found and found.attack_settings.get("gallery", found.n)
    clean = latest_clean(run.recorded.measured, gallery).get("R@1")
    if found is None:
        recall = text("R@1", run.values.get("R@1"))
        return f"R@1 {recall} % of clean images, no attack on it was measured"
    after = f"{100 * found.value:.1f} %"
    only = "only " if found.n < FEW_QUERIES else ""
    queries = f"{only}{found.n:,} queries"
    if clean is None or clean.n != found.n:
        of_all = f"R@1 of all {clean.n:,} images is {100 * clean.value:.1f} %; " if clean else ""
        return f"{of_all}{_attacker(found)} leaves R@1 of {queries} {after} {how}"
    before = f"{100 * clean.value:.1f} %"
    if found.value < clean.value:
        return f"{_attacker(found)} lowers R@1 of {queries} from {before} to {after} {how}"
    return f"{_attacker(found)} leaves R@1 of {queries} at {after}, after {before} clean, {how}"


def _lowest_recall(run, shown):
    """(`Result` of R@1 under attack, how it was attacked): the lowest of the worst cases."""
    worst = [
        (result, row)
        for row in _same_attacker(run, shown)
        for result in row.results
        if result.attack == WORST_CASE
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


def _same_attacker(run, shown):
    """The rows of the threat model of the claim, made on the network itself."""
    return [
        row
        for row in run.rows
        if row.on.threat_model == shown.on.threat_model and row.strength != "transfer"
    ]


def _attacker(result):
    threat = result.threat_model
    eps, box = format_magnitude(threat["eps"]), f"[{threat['lower']:g}, {threat['upper']:g}]"
    change = {
        "linf": f"every pixel of a query by at most {eps} (L-infinity, images in {box})",
        "l2": f"a query by at most {eps} in Euclidean length (L2, images in {box})",
    }[threat["norm"]]
    return f"an attacker who knows the network and may change {change}"


def _scored(run, shown):
    if SCORE not in shown.values:
        return "no score, since not all ten attack columns were measured"
    rows = [row for row in _same_attacker(run, shown) if row.scored]
    falls = score_falls(rows, run.recorded.measured)
    said = f"ERS {shown.cell(SCORE)} of 100 ({shown.mode}, {shown.strength}, {_queries(shown)})"
    told = shown
    if falls := [fall for fall in falls if fall.change < 0]:
        before, told = min(falls, key=lambda fall: fall.after.values[SCORE])
        said += _stronger(before, told, shown)
    lowest = min(rows, key=lambda row: row.values[SCORE])
    if lowest.values[SCORE] < min(shown.values[SCORE], told.values[SCORE]):
        how = f"{lowest.mode}, {lowest.strength}, {_queries(lowest)}"
        said += f"; {lowest.cell(SCORE)} at the lowest ({how})"
    return f"{said}; its columns below"


def _stronger(before, after, shown):
    """What stronger attacks leave, beside the protocol of the same queries."""
    left = f"{after.cell(SCORE)} under stronger attacks"
    if (before.mode, before.on) == (shown.mode, shown.on):
        return f", of the same queries {left} ({after.mode}, {after.strength})"
    first = f"{before.cell(SCORE)} by the protocol"
    return f"; of the same {_queries(after)} {first}, {left} ({after.mode}, {after.strength})"


def _queries(row):
    return f"{row.on.n:,} queries"
