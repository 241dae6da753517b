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
from robust_tf.cli.export import export


@command_line.command(EXPORT, __doc__)
def main(options):
    """Exports and verifies."""
    from hm_tf.runs.finished_run import FinishedRun

    export(options, FinishedRun, _served, lacking="search")


def _served(run, network, test, gallery, top, on_bad_image, max_pixels):
    from hm_tf.evaluation.artefact_attack import attack_artefact
    from hm_tf.image_attack.served_gallery import ServedGallery
    from robust_tf.export.endpoints import image_endpoints
    from robust_tf.export.export_run import Served

    def answer(images):
        return {"embedding": network(images, training=False)["embedding"]}

    endpoints = image_endpoints(answer, run.info, "Embeds")
    more = {"facts": {"gallery": None}}
    if gallery:
        searched = ServedGallery(run, gallery, on_bad_image, max_pixels)
        endpoints += searched.endpoints(answer, top)
        more = {
            "resources": searched.resources,
            "fill": searched.write_blocks,
            "facts": {"gallery": searched.facts},
        }
    return Served(
        endpoints=endpoints,
        answer=answer,
        output="embedding",
        attack=lambda folder: attack_artefact(folder, run, network, test),
        **more,
    )


if __name__ == "__main__":
    sys.exit(main())
