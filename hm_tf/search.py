"""python -m hm_tf.search --workdir=RUN --gallery=DIR --query=IMG: the nearest images of a folder.

The gallery is a folder of images, or one with a subfolder per class. The query is one image or a
folder of images. The nearest images are printed as a table and drawn into --output. A query that
lies in the gallery does not find itself. --saved_model=DIR searches with a SavedModel instead of a
run. --embeddings=OUT.npz writes the embeddings and names of the gallery for another index.
"""

import pathlib
import sys

from robust_tf.cli import command_line
from robust_tf.cli.flag_topics import Topic
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_file


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=define, body=search, about=__doc__)


def define(flag_values):
    """Defines the flags of `python -m hm_tf.search`."""
    network = Topic("Network", flag_values)
    network.path("workdir", None, "Folder of the finished run to search with.")
    network.path("saved_model", None, "Folder of a SavedModel, or an export_dir (its newest).")
    network.string("endpoint", "serving_default", "Its signature.")
    network.string("output", "embedding", "Name of the signature's output.")
    network.string("data_dir", None, "Folder of a --dataset=folder run. Default: of the training.")
    images = Topic("Images", flag_values)
    images.path("gallery", None, "Folder of images, or of one subfolder per class. Required.")
    images.path("query", None, "Image to search with, or a folder of images.")
    images.choice("on_bad_image", "fail", ("fail", "skip"), "Undecodable files of the gallery.")
    images.count("batch_size", 128, "Images embedded together.")
    result = Topic("Result", flag_values)
    result.count("top", 5, "Images found for each query.")
    result.path("picture", "search.png", "File of the picture of the nearest images.")
    result.path("embeddings", None, "File OUT.npz for embeddings and names of the gallery.")


def search(options):
    """Searches as the flags say."""
    _check(options)
    from hm_tf.evaluation.saved_run import open_run
    from hm_tf.image_attack.image_search import EmbeddedGallery, query_files, search_table
    from robust_tf.reports.panels import save_figure

    queries = query_files(options.query) if options.query else []
    gallery = EmbeddedGallery(
        open_run(options),
        options.gallery,
        on_bad_image=options.on_bad_image,
        batch_size=options.batch_size,
    )
    print(f"gallery: {len(gallery.names):,} images")
    if options.embeddings:
        gallery.save(options.embeddings)
        width = gallery.embeddings.shape[1]
        print(
            f"embeddings: {options.embeddings}, float32 [{len(gallery.names)}, {width}] and names"
        )
    if queries:
        found, images = gallery.search(queries, options.top)
        print(f"\n{search_table(found)}")
        title = f"nearest images in {options.gallery}"
        save_figure(gallery.picture(found, images, title), pathlib.Path(options.picture))
        print(f"\npicture: {options.picture}")


def _check(options):
    if not options.gallery:
        raise UserError("--gallery is required: a folder of images")
    if not options.query and not options.embeddings:
        raise UserError("--query=IMG or --embeddings=OUT.npz is required; both are possible")
    for flag in ("picture", "embeddings"):
        if getattr(options, flag):
            require_file(flag, getattr(options, flag))


if __name__ == "__main__":
    sys.exit(main())
