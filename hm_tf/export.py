"""python -m hm_tf.export --workdir=RUN --export_dir=DIR: a SavedModel, in DIR/1 or the next.

Endpoints: `serving_default` (float images in [0, 1]), `uint8` (raw pixels) and `encoded` (JPEG, PNG
or WebP files) give the embedding, of unit length. With --gallery=DIR, `search` and `search_encoded`
give ids, distances and names of the --top nearest images of that folder. Every endpoint refuses
any other input.
The folder gets its number after the SavedModel was reloaded in a process without this project,
compared with the network and attacked. model.json and README.md there describe it.
--format=onnx or litert writes a file of the network alone instead.
"""

import sys

from hm_tf.options import EXPORT
from robust_tf.cli import command_line
from robust_tf.cli.flag_rules import require
from robust_tf.results.output_place import require_folder


@command_line.command(EXPORT, __doc__)
def main(options):
    """Exports and verifies."""
    require(options, workdir="", export_dir="")
    require_folder("export_dir", options.export_dir)
    from hm_tf.evaluation.artefact_attack import attack_artefact
    from hm_tf.evaluation.served_gallery import ServedGallery
    from hm_tf.runs.finished_run import FinishedRun
    from robust_tf.export.endpoints import image_endpoints
    from robust_tf.export.export_run import export_run, summary
    from robust_tf.export.portable import require_packages

    if options.format != "saved_model":
        require_packages(options.format)
    run = FinishedRun(options.workdir, options.data_dir)
    network, test = run.network(), run.test_images(options.limit_test)
    if options.format != "saved_model":
        options.fill(_export_portable, run=run, network=network, test=test)
        return

    def answer(images):
        return {"embedding": network(images, training=False)["embedding"]}

    gallery = options.gallery and options.fill(ServedGallery, run=run)
    path, entries = export_run(
        run,
        network,
        image_endpoints(answer, run.info, "Embeds")
        + (gallery.endpoints(answer, options.top) if gallery else []),
        options.export_dir,
        answer,
        output="embedding",
        attack=lambda folder: attack_artefact(folder, run, network, test),
        resources=gallery.resources if gallery else (),
        fill=gallery.write_blocks if gallery else None,
        gallery=gallery and gallery.facts,
    )
    print(summary(path, entries))


def _export_portable(run, network, test, export_dir, format):
    from robust_tf.export.export_portable import export_portable

    path, entries = export_portable(run, network, export_dir, format, test)
    difference = entries["verification"]["largest_difference"]
    print(
        f"{format} in {path}: largest difference {difference:.1e}; it takes float images "
        "only: no guard, no image files, no search"
    )


if __name__ == "__main__":
    sys.exit(main())
