"""PGD-20 on a SavedModel, and on the network that it was made of."""

from robust_tf.attacks import presets
from robust_tf.evaluation.robust_accuracy import correct_predictions
from robust_tf.evaluation.saved_classifier import SavedClassifier
from robust_tf.evaluation.saved_signature import SavedSignature
from robust_tf.export.artefact_attack import compare_outcomes
from robust_tf.threat_model import ThreatModel, parse_magnitude


def attack_artefact(path, run, network, test):
    """Returns what the attack showed, see `compare_outcomes`.

    Args:
        path: folder of the SavedModel.
        run: `FinishedRun`.
        network: its network.
        test: `Examples`, the images to attack.

    Raises:
        RunError: the SavedModel does not do what the network does.
    """
    threat_model = ThreatModel(parse_magnitude(run.flags["eps"]), run.flags["norm"])
    preset = presets.get("pgd20", threat_model)
    saved = SavedClassifier(SavedSignature(path), run.info)
    own, found = (
        correct_predictions(attacked, test, preset, progress=False) for attacked in (network, saved)
    )
    return compare_outcomes(path, f"accuracy under {preset.name}, {threat_model}:", own, found)
