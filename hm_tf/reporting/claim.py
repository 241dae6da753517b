"""What runs claim, in one sentence with its threat model."""

from hm_tf.reporting.recorded_scores import SCORE, paper_row, text
from robust_tf.threat_model import format_magnitude

_WORST_CASE = "worst case"


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
    recall = text("R@1", run.values.get("R@1"))
    if run.collapsed:
        return f"{about} has collapsed (R@1 {recall} %): its score means nothing."
    return f"{about}: {_attacker(shown)} {_fall(run, recall)}; {_scored(run, shown)}."


def _attacker(row):
    threat = row.results[0].threat_model
    return (
        "an attacker who knows the network and may change every pixel of a query by at most "
        f"{format_magnitude(threat['eps'])} (L-infinity, images in [{threat['lower']:g}, "
        f"{threat['upper']:g}]) lowers R@1 of {row.n:,} queries"
    )


def _fall(run, recall):
    worst = [
        (result.value, row, result)
        for row in run.rows
        for result in row.results
        if result.attack == _WORST_CASE and row.strength != "transfer"
    ]
    if not worst:
        under = text("ES:R", run.values.get("ES:R"))
        return f"from {recall} % to {under} % by ES, the only such attack measured"
    value, row, result = min(worst, key=lambda item: item[0])
    over = ", ".join(result.attack_settings["over"])
    how = f"in the worst case of {over} ({row.mode}, {row.strength})"
    return f"from {recall} % to {100 * value:.1f} % {how}"


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
