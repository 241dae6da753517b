"""python -m tla_tf.export --workdir=RUN --export_dir=DIR: a SavedModel, in DIR/1 or the next.

Input `image`, float32 [n, height, width, channels] in [0, 1]; outputs `logits` and `embedding`. The
SavedModel is reloaded in a fresh process without this project, and its outputs are compared.
"""

import sys

from robust_tf.cli import command_line
from robust_tf.cli.flag_topics import define_export
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_folder


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=define_export, body=export, about=__doc__)


def export(options):
    """Exports and verifies."""
    for name in ("workdir", "export_dir"):
        if getattr(options, name) is None:
            raise UserError(f"--{name} is required")
    require_folder("export_dir", options.export_dir)
    import numpy as np

    from robust_tf.export.classifier import classifier_answer
    from robust_tf.export.endpoints import encoded_endpoint, float_endpoint, uint8_endpoint
    from robust_tf.export.saved_model import next_version, write_saved_model
    from robust_tf.export.verification import verify_saved_model
    from tla_tf.finished_run import FinishedRun

    run = FinishedRun(options.workdir, options.data_dir)
    network, shape = run.network(), run.info.image_shape
    answer = classifier_answer(network, run.info.class_names)
    endpoints = [
        float_endpoint("serving_default", answer, shape, "Classifies float images."),
        uint8_endpoint("uint8", answer, shape, "Classifies raw pixels."),
        encoded_endpoint("encoded", answer, run.info, "Classifies image files."),
    ]
    images = np.random.default_rng(0).uniform(size=[16, *shape]).astype(np.float32)
    with next_version(options.export_dir) as (folder, path):
        write_saved_model(folder, network, endpoints)
        difference = verify_saved_model(folder, answer, images, "logits")
    print(
        f"SavedModel in {path}: image [n, {', '.join(map(str, shape))}] in [0, 1] "
        f"-> logits, probabilities, class, class_name, embedding\n"
        f"reloaded without this project: largest difference {difference:.1e}"
    )


if __name__ == "__main__":
    sys.exit(main())
