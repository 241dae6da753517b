"""python -m tla_tf.export --workdir=RUN --export_dir=DIR: a SavedModel, in DIR/1 or the next.

The endpoints `serving_default` (float images in [0, 1]), `uint8` (raw pixels) and `encoded` (JPEG,
PNG or WebP files) give logits, probabilities, class, class_name and embedding. `detect` accepts or
rejects an image by its density. Every endpoint refuses any other input.
The folder gets its number after the SavedModel was reloaded in a process without this project,
compared with the network and attacked. model.json and README.md there describe it.
--format=onnx, litert or litert_int8 writes a file of the network alone instead.
"""

import sys

from robust_tf.cli import command_line
from robust_tf.cli.export import export
from robust_tf.errors import UserError
from tla_tf.options import EXPORT


@command_line.command(EXPORT, __doc__)
def main(options):
    """Exports and verifies."""
    from tla_tf.evaluation.artefact_attack import transfer_attack
    from tla_tf.runs.finished_run import FinishedRun

    export(options, FinishedRun, _served, transfer=transfer_attack, lacking="detector")


def _served(run, network, test, detector_fpr):
    from robust_tf.export.endpoints import classifier_answer, image_endpoints
    from robust_tf.export.export_run import Served
    from tla_tf.analysis.calibrated_detector import detector_of_run
    from tla_tf.evaluation.artefact_attack import attack_artefact

    answer = classifier_answer(network, run.info.class_names)
    endpoints, resources = image_endpoints(answer, run.info, "Classifies"), []
    facts = {"detector": None}
    try:
        detector = detector_of_run(run, network, detector_fpr)
    except UserError as reason:
        print(f"left out: the endpoint detect; {reason}")
    else:
        endpoints.append(detector.endpoint(answer, run.info))
        resources.append(detector.score)
        facts["detector"] = detector.facts
    return Served(
        endpoints=endpoints,
        answer=answer,
        output="logits",
        attack=lambda folder: attack_artefact(folder, run, network, test),
        resources=resources,
        facts=facts,
    )


if __name__ == "__main__":
    sys.exit(main())
