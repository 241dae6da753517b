"""--checks: whether the numbers of an evaluation can be believed, as lines and records."""

import shlex

from robust_tf.attacks import presets
from robust_tf.attacks.pgd import PGD
from robust_tf.checks import sanity_checks
from robust_tf.checks.run_checks import CheckRun
from robust_tf.models.output_of import output_of
from robust_tf.results.check_records import append_checks
from robust_tf.results.result import read_results
from tla_tf.evaluation.detection_records import latest_areas

# --checks level -> images, queries of the attack without gradients.
LEVELS = {"quick": (256, 1000), "full": (1000, 5000)}


def claimed_attack(columns, threat_model):
    """Returns the `Preset` that a claim rests on: the longest PGD among the columns, else pgd20.

    Only on the network itself, on the cross entropy and without momentum, which the checks vary.
    """
    candidates = [
        column.preset
        for column in columns
        if column.preset and isinstance(column.preset.attack, PGD) and column.substitute is None
        if column.preset.attack.loss == "ce" and column.preset.attack.momentum is None
    ]
    longest = max(candidates, key=lambda preset: preset.attack.steps, default=None)
    return longest or presets.get("pgd20", threat_model)


def check_evaluation(evaluation, columns, threat_model, substitutes, level):
    """Returns the lines of the checks of an evaluation, and where their records are.

    Args:
        evaluation: `RunEvaluation`.
        columns: list of `Column` that it measured.
        threat_model: `ThreatModel`.
        substitutes: dict name -> `Substitute`.
        level: see `check_attacks`.
    """
    if not getattr(evaluation.network, "differentiable", True):
        return "checks: left out, they need gradients"
    undefended = [other.logits_fn for other in substitutes.values() if not other.defended]
    claim = claimed_attack(columns, threat_model)
    lines = check_attacks(evaluation, claim, level, undefended=next(iter(undefended), None))
    return f"\n{lines}\nrecords: {evaluation.folder / 'checks.jsonl'}"


def check_attacks(evaluation, claim, level, *, undefended):
    """Runs the checks, appends them to `checks.jsonl` and returns their lines.

    The checks attack images spread over the data set. Stored results are used, new ones are stored.

    Args:
        evaluation: `RunEvaluation`.
        claim: see `claimed_attack`.
        level: "quick" or "full".
        undefended: images to logits of a network without defense, or None.
    """
    images, queries = LEVELS[level]
    embeds = "embedding" in evaluation.network.output
    run = CheckRun(
        evaluation,
        images,
        claim,
        queries=queries,
        embedding_fn=output_of(evaluation.network, "embedding") if embeds else None,
        undefended_fn=undefended,
    )
    found = run.run()
    path, about, ball = (
        evaluation.folder / "checks.jsonl",
        evaluation.about,
        claim.attack.threat_model,
    )
    measured = {"n": len(run.rows), "attack": str(claim.attack)}
    append_checks(path, found, about, **measured, threat_model=ball)
    if embeds:
        check, of_areas = detector_check(evaluation.folder, about["weights_hash"], ball)
        append_checks(path, [check], about, **{**measured, **of_areas}, threat_model=ball)
        found.append(check)
    return "\n".join([f"checks of {claim.attack} on {len(run.rows)} images:", *map(str, found)])


def detector_check(folder, weights_hash, threat_model):
    """Returns (the `Check` of the detector of figure 5, n and attack that it was measured with).

    Nothing is measured here: the areas come from the network's records in `folder`.
    """
    found = latest_areas(read_results(folder / "results.jsonl"), weights_hash, threat_model)
    flags = f"--workdir={folder}", "--outputs=figure5"
    command = shlex.join(["python", "-m", "tla_tf.analyze", *flags])
    if found is None:
        return sanity_checks.detector(None, command), {}
    unaware, aware = found
    check = sanity_checks.detector((unaware.value, aware.value, aware.n), command)
    return check, {"n": aware.n, "attack": aware.attack}
