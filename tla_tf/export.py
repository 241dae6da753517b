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
from robust_tf.cli.flag_rules import require
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_folder
from tla_tf.options import EXPORT


@command_line.command(EXPORT, __doc__)
def main(options):
    """Exports and verifies."""
    require(options, workdir="", export_dir="")
    if not options.detector_fpr:
        raise UserError("--detector_fpr must be above 0")
    require_folder("export_dir", options.export_dir)
    from robust_tf.export.endpoints import classifier_answer, image_endpoints
    from robust_tf.export.export_run import export_run, summary
    from robust_tf.export.portable import require_packages
    from tla_tf.analysis.calibrated_detector import detector_of_run
    from tla_tf.evaluation.artefact_attack import attack_artefact
    from tla_tf.runs.finished_run import FinishedRun

    if options.format != "saved_model":
        require_packages(options.format)
    run = FinishedRun(options.workdir, options.data_dir)
    network = run.network()
    test = run.dataset.load("test", options.limit_test)
    if options.format != "saved_model":
        options.fill(_export_portable, run=run, network=network, test=test)
        return
    answer = classifier_answer(network, run.info.class_names)
    endpoints = image_endpoints(answer, run.info, "Classifies")
    try:
        detector = detector_of_run(run, network, options.detector_fpr)
    except UserError as reason:
        print(f"left out: the endpoint detect; {reason}")
        detector = None
    path, entries = export_run(
        run,
        network,
        endpoints + ([detector.endpoint(answer, run.info)] if detector else []),
        options.export_dir,
        answer,
        output="logits",
        attack=lambda folder: attack_artefact(folder, run, network, test),
        resources=[detector.score] if detector else [],
        detector=detector and detector.facts,
    )
    print(summary(path, entries))


def _export_portable(run, network, test, export_dir, format):
    from robust_tf.export.export_portable import export_portable
    from tla_tf.evaluation.artefact_attack import transfer_attack

    path, entries = export_portable(
        run,
        network,
        export_dir,
        format,
        test,
        lambda function: transfer_attack(function, run, network, test),
    )
    verification, found = entries["verification"], entries["verification"]["transfer"]
    print(
        f"{format} in {path}: largest difference {verification['largest_difference']:.1e}; "
        "it takes float images only: no guard, no image files, no detector\n"
        f"of {found['n']} test images: clean {100 * found['clean_accuracy']:.2f} % (the network "
        f"{100 * found['clean_accuracy_of_the_network']:.2f}), under pgd20 made on the network "
        f"{100 * found['robust_accuracy']:.2f} % "
        f"({100 * found['robust_accuracy_of_the_network']:.2f})"
    )


if __name__ == "__main__":
    sys.exit(main())
