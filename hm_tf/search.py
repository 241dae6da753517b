"""python -m hm_tf.search --workdir=RUN --gallery=DIR --query=IMG: the nearest images of a folder.

The gallery is a folder of images, or one with a subfolder per class. The query is one image or a
folder of images. The nearest images are printed as a table and drawn into --picture. A query that
lies in the gallery does not find itself. --saved_model=DIR searches with a SavedModel instead of a
run, --model=FILE with a .keras file. --embeddings=OUT.npz writes the embeddings and names of the
gallery for another index.
"""

import pathlib
import sys

from hm_tf.options import SEARCH
from robust_tf.cli import command_line
from robust_tf.cli.flag_rules import place_of, require
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_file


@command_line.command(SEARCH, __doc__)
def main(options):
    """Searches as the flags say."""
    require(options, gallery=": a folder of images")
    place_of(options)
    options.fill(_check)
    from hm_tf.image_attack import image_search
    from hm_tf.image_attack.embedded_gallery import EmbeddedGallery
    from hm_tf.runs.saved_run import open_run
    from robust_tf.reports.panels import save_figure

    run = options.fill(open_run)
    # A query that cannot be read is found before the gallery is embedded.
    read = options.query and options.fill(image_search.read_queries, info=run.info)
    gallery = options.fill(EmbeddedGallery, run=run)
    print(f"gallery: {len(gallery.names):,} images")
    if options.embeddings:
        image_search.save_embeddings(gallery, options.embeddings)
        shape = list(gallery.embeddings.shape)
        print(f"embeddings: {options.embeddings}, float32 {shape} and names")
    if read:
        queries, examples = read
        found = image_search.search(gallery, queries, examples, options.top)
        print(f"\n{image_search.search_table(found)}")
        title = f"nearest images in {options.gallery}"
        picture = image_search.picture(gallery, found, examples, title)
        save_figure(picture, pathlib.Path(options.picture))
        print(f"\npicture: {options.picture}")


def _check(query, embeddings, picture):
    if not query and not embeddings:
        raise UserError("--query=IMG or --embeddings=OUT.npz is required; both are possible")
    if query and pathlib.Path(picture).suffix.lower() not in (".png", ".svg"):
        raise UserError(f"--picture={picture} is no file .png or .svg; name one")
    for flag, path in {"picture": query and picture, "embeddings": embeddings}.items():
        if path:
            require_file(flag, path)


if __name__ == "__main__":
    sys.exit(main())
