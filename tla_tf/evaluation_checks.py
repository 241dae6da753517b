"""--checks: whether the numbers of an evaluation can be believed, as lines and records."""

import dataclasses
import json

from robust_tf.attacks import presets
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.evaluation.records import versions
from robust_tf.evaluation.run_checks import CheckRun

# --checks level -> images, queries of the attack without gradients.
LEVELS = {"quick": (256, 1000), "full": (1000, 5000)}


def claimed_attack(columns, threat_model):
    """Returns the PGD that a claim rests on: the longest among the columns, else pgd20.

    Only on the network itself, on the cross entropy and without momentum, which the checks vary.
    """
    candidates = [
        column.preset.attack
        for column in columns
        if column.preset and column.preset.objective_factory is CrossEntropy
        if column.substitute is None and column.preset.attack.momentum is None
    ]
    longest = max(candidates, key=lambda attack: attack.steps, default=None)
    return longest or presets.get("pgd20", threat_model).attack


def check_evaluation(evaluation, attack, level, *, batch_size, undefended):
    """Runs the checks, appends them to `checks.jsonl` and returns their lines.

    Args:
        evaluation: `ClassifierEvaluation`.
        attack: see `claimed_attack`.
        level: "quick" or "full".
        batch_size: images per attacked batch.
        undefended: network without defense, or None.
    """
    images, queries = LEVELS[level]
    examples = evaluation.examples.take(images)
    run = CheckRun(
        evaluation.network,
        examples,
        attack,
        queries=queries,
        undefended=undefended,
        batch_size=batch_size,
        seed=evaluation.about["seed"],
    )
    found = run.run()
    about = {"n": len(examples), "attack": str(attack), **evaluation.about, "versions": versions()}
    about["threat_model"] = dataclasses.asdict(attack.threat_model)
    with (evaluation.folder / "checks.jsonl").open("a") as file:
        file.writelines(json.dumps({**check._asdict(), **about}) + "\n" for check in found)
    return "\n".join([f"checks of {attack} on {len(examples)} images:", *map(_line, found)])


def _line(check):
    advice = "" if check.status == "green" else f" -> {check.advice}"
    return f"{check.status:<5}  {check.name}: {check.figure}{advice}"
