"""The accuracy of a finished run under a list of attacks, as records in its folder."""

from robust_tf.attacks import presets
from robust_tf.errors import UserError
from robust_tf.evaluation.records import append_results
from robust_tf.evaluation.robust_accuracy import (
    accuracy_result,
    compile_attack,
    correct_predictions,
)


def presets_of(names, threat_model):
    """Returns name -> `Preset` of the attacks, None for "clean"; UserError on an unknown name."""
    chosen = {}
    for name in names:
        try:
            chosen[name] = None if name == "clean" else presets.get(name, threat_model)
        except ValueError as error:
            raise UserError(f"attack '{name}': {error}, or clean") from error
    if not chosen:
        raise UserError("no attack was named; e.g. --attacks=clean,fgsm,pgd20")
    return chosen


def evaluate(run, examples, attacks, threat_model, *, batch_size, seed, precision, xla):
    """Attacks the test images of a run and appends the records to its results.

    Args:
        run: `FinishedRun`.
        examples: `Examples` of the test split.
        attacks: names, see `presets_of`.
        threat_model: `ThreatModel`.
        batch_size: images per attacked batch.
        seed: int, of the random starts.
        precision: Keras policy of the network under attack.
        xla: bool, whether the attack is compiled with XLA.

    Returns:
        List of `Result`, one per attack, in the order of `attacks`.
    """
    network = run.network(precision)
    results = []
    for preset in presets_of(attacks, threat_model).values():
        attack_batch = compile_attack(network, preset, jit_compile=xla)
        correct = correct_predictions(
            network, examples, preset, batch_size=batch_size, seed=seed, attack_batch=attack_batch
        )
        results.append(
            accuracy_result(
                correct,
                network,
                preset,
                dataset=run.info.name,
                split="test",
                method=run.flags["method"],
                training_seed=run.flags["seed"],
                precision=precision,
                seed=seed,
            )
        )
        append_results(run.folder.results, results[-1:])
    return results
