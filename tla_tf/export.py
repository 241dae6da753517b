"""python -m tla_tf.export --workdir=RUN --export_dir=DIR: a SavedModel, in DIR/1 or the next.

Endpoints: `serving_default` (float images in [0, 1]), `uint8` (raw pixels) and `encoded` (JPEG, PNG
or WebP files) give logits, probabilities, class, class_name and embedding; `detect` accepts or
rejects an image by its density. Every endpoint refuses what is no such input.
The folder gets its number after the SavedModel was reloaded in a process without this project,
compared with the network and attacked. model.json and README.md there say what is known of it.
"""

import sys

from robust_tf.cli import command_line
from robust_tf.cli.flag_topics import Topic, define_export
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_folder


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=define, body=export, about=__doc__)


def define(flag_values):
    """Defines the flags of `python -m tla_tf.export`."""
    define_export(flag_values)
    detector = Topic("Detector", flag_values)
    detector.number("detector_fpr", 0.05, "Share of clean images that `detect` rejects.", 0.5)


def export(options):
    """Exports and verifies."""
    for name in ("workdir", "export_dir"):
        if getattr(options, name) is None:
            raise UserError(f"--{name} is required")
    if not options.detector_fpr:
        raise UserError("--detector_fpr must be above 0")
    require_folder("export_dir", options.export_dir)
    from robust_tf.export.classifier import classifier_answer
    from robust_tf.export.endpoints import image_endpoints
    from robust_tf.export.export_run import export_run, summary
    from tla_tf.analysis.calibrated_detector import detector_of_run
    from tla_tf.evaluation.artefact_attack import attack_artefact
    from tla_tf.finished_run import FinishedRun

    run = FinishedRun(options.workdir, options.data_dir)
    network = run.network()
    test = run.dataset.load("test", options.limit_test)
    answer = classifier_answer(network, run.info.class_names)
    endpoints = image_endpoints(answer, run.info, "Classifies")
    try:
        detector = detector_of_run(run, network, test, options.detector_fpr)
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


if __name__ == "__main__":
    sys.exit(main())
