"""PGD-20 on an exported network, and on the network that it was made of."""

import numpy as np

from robust_tf.attacks import presets
from robust_tf.evaluation.attack_loop import images_of
from robust_tf.evaluation.saved_classifier import SavedClassifier
from robust_tf.evaluation.saved_signature import SavedSignature
from robust_tf.export.export_portable import transferred
from robust_tf.export.verification import compare_outcomes
from tla_tf.evaluation.run_evaluation import correct_images
from tla_tf.runs.finished_run import ball


def attack_artefact(path, run, network, test):
    """Returns what the attack showed, see `compare_outcomes`.

    Args:
        path: folder of the SavedModel.
        run: `FinishedRun`.
        network: Network of the run.
        test: `Examples`, the images to attack.

    Raises:
        RunError: the SavedModel does not do what the network does.
    """
    preset = _preset(run)
    saved = SavedClassifier(SavedSignature(path), run.info)
    own, found = (correct_images(attacked, test, preset) for attacked in (network, saved))
    return compare_outcomes(
        path, f"accuracy under {preset.name}, {preset.threat_model}:", own, found
    )


def transfer_attack(function, run, network, test):
    """Returns what images made on the network do to an ONNX or LiteRT file, see `transferred`.

    `function` is of the file, see `portable_function`; the others as for `attack_artefact`.
    """
    clean = images_of(test, slice(None)).numpy()
    adversarial = np.asarray(_preset(run)(network, clean, test.labels))
    return transferred(function, clean, adversarial, test.labels, network)


def _preset(run):
    return presets.get("pgd20", ball(run.flags))
