"""What a run, a `RecordedRun`, claims, in one sentence with its threat model."""

from robust_tf.evaluation.attack_column import WORST_CASE, WORST_CASE_ROUNDED
from robust_tf.reports.comparability import in_ball
from robust_tf.reports.verdict import DOUBTFUL, doubtful
from robust_tf.threat_model import format_magnitude
from tla_tf.evaluation.attack_columns import ENSEMBLE

_NORMS = {"linf": "L-infinity", "l2": "L2"}
# Attacks that do not see the gradients of the network.
_BLACK_BOX = ("clean", "square", "transfer")
# More attacks would drown the claim; the table below it names them.
MOST_NAMED = 4


def worst_case(run):
    """Returns the `Result` that a run claims, None if it has none.

    The worst case in the ball of the training; of several the one over the most images, then the
    lowest.
    """
    found = [result for result in worst_cases(run) if result.attack == WORST_CASE]
    eps, norm = run.flags.get("eps"), run.flags.get("norm")
    own = [result for result in found if eps is None or in_ball(result, eps, norm)]
    return min(own or found, key=_preference, default=None)


def worst_cases(run):
    """Returns one worst case per threat model, and one rounded to 8 bits: the preferred ones."""
    best = {}
    for result in sorted(run.results, key=_preference):
        if result.attack in (WORST_CASE, WORST_CASE_ROUNDED) and result.threat_model:
            place = result.attack, result.threat_model["norm"], result.threat_model["eps"]
            best.setdefault(place, result)
    return list(best.values())


def headline(runs):
    """Returns (message, level) for the top of the page of one method: the claim of each run.

    Args:
        runs: list of `ReportedRun`.
    """
    claims = [claim(run.name, run.recorded) for run in runs]
    red = any(text.startswith(DOUBTFUL) for text in claims)
    return "\n".join(claims), "red" if red else ""


def claim(name, run):
    """Returns the sentence on a run called `name`."""
    result = worst_case(run)
    if result is None:
        return f"{name} makes no claim: no worst case over attacks was measured{_lowest(run)}."
    low, high = result.interval
    attacks = [attack for attack in result.attack_settings["over"] if attack != "clean"]
    blind = all(attack.startswith(_BLACK_BOX) for attack in attacks)
    access = "black box" if blind else "white box"
    threat = result.threat_model
    ball = f"{_NORMS[threat['norm']]} radius {format_magnitude(threat['eps'])}"
    return (
        f"{doubtful(run, result)}{name} ({result.model}, seed {result.training_seed}) classifies "
        f"{100 * result.value:.2f} "
        f"% of {result.n:,} {result.dataset} test images correctly (95 % interval {100 * low:.2f} "
        f"to {100 * high:.2f}) in the worst case over {_over(attacks)}: {access}, "
        f"untargeted, {ball} around images in [{threat['lower']:g}, {threat['upper']:g}]."
    )


def caveats(run):
    """Returns what weakens the claim, list of (level of a status line, str).

    Args:
        run: `RecordedRun`.
    """
    result, found = worst_case(run), []
    if result is None or ENSEMBLE not in result.attack_settings["over"]:
        n = max((other.n for other in run.results if other.metric == "accuracy"), default=0)
        on = f" on all {n:,} test images" if n else ""
        found.append(("amber", f"no worst case over AutoAttack ({ENSEMBLE}){on} was measured"))
    larger = [r for r in run.results if result and _wider(r, result)]
    for other in (other for other in larger if other.value < result.value):
        seen = f"{other.column} alone leaves {100 * other.value:.2f} % of {other.n:,}"
        found.append(("red", f"the worst case is of {result.n:,} images, {seen}"))
    if larger and not any(level == "red" for level, _ in found):
        n = max(other.n for other in larger)
        said = f"the worst case is of {result.n:,} images, single attacks are of {n:,}"
        found.append(("amber", said))
    return found


def _wider(other, result):
    """Whether an accuracy is of more images in the same ball."""
    same_ball = other.threat_model == result.threat_model
    return other.metric == "accuracy" and other.n > result.n and same_ball


def listed(names):
    """Returns "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _over(attacks):
    if len(attacks) <= MOST_NAMED:
        return listed(["clean", *attacks])
    ensemble = f", AutoAttack ({ENSEMBLE}) among them" if ENSEMBLE in attacks else ""
    return f"clean images and {len(attacks)} attacks{ensemble}"


def _preference(result):
    return -result.n, result.value, -len(result.attack_settings.get("over", ()))


def _lowest(run):
    """The lowest accuracy under one attack, as the end of a sentence."""
    attacked = [r for r in run.results if r.metric == "accuracy" and r.threat_model]
    if not attacked:
        return ""
    result = min(attacked, key=lambda result: result.value)
    share = f"{100 * result.value:.2f} % of {result.n:,} {result.dataset} test images"
    return f"; the lowest accuracy under one attack, {result.column}, is {share}"
