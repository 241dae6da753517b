"""python -m hm_tf.export --workdir=RUN --export_dir=DIR: a SavedModel, in DIR/1 or the next.

Input `image`, float32 [n, height, width, channels] in [0, 1]; output `embedding`, of unit length.
The SavedModel is reloaded in a fresh process without this project, and its output is compared.
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
        if not getattr(options, name):
            raise UserError(f"--{name} is required")
    require_folder("export_dir", options.export_dir)
    import numpy as np

    from hm_tf.finished_run import FinishedRun
    from robust_tf.export.endpoints import encoded_endpoint, float_endpoint, uint8_endpoint
    from robust_tf.export.saved_model import next_version, write_saved_model
    from robust_tf.export.verification import verify_saved_model

    run = FinishedRun(options.workdir, options.data_dir)
    network, shape = run.network(), run.info.image_shape

    def answer(images):
        return network(images, training=False)

    endpoints = [
        float_endpoint("serving_default", answer, shape, "Embeds float images."),
        uint8_endpoint("uint8", answer, shape, "Embeds raw pixels."),
        encoded_endpoint("encoded", answer, run.info, "Embeds image files."),
    ]
    images = np.random.default_rng(0).uniform(size=[16, *shape]).astype(np.float32)
    with next_version(options.export_dir) as (folder, path):
        write_saved_model(folder, network, endpoints)
        difference = verify_saved_model(folder, answer, images, "embedding")
    print(
        f"SavedModel in {path}: image [n, {', '.join(map(str, shape))}] in [0, 1] -> embedding\n"
        f"reloaded without this project: largest difference {difference:.1e}"
    )


if __name__ == "__main__":
    sys.exit(main())
