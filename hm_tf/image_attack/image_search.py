"""The nearest images of a gallery to the user's own queries; nothing is attacked."""

import collections
import io
import os
import pathlib
from typing import NamedTuple

import numpy as np

from hm_tf.evaluation.metric_evaluation import embed
from hm_tf.evaluation.nearest_images import NearestImages
from robust_tf.data import gallery_folder
from robust_tf.data.class_folders import SUFFIXES, first_with_images, images, other_folder
from robust_tf.data.examples import Examples
from robust_tf.data.text_lines import printable, shortened
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import images_of
from robust_tf.progress_bar import watched
from robust_tf.reports.neighbour_figure import Row, neighbour_figure
from robust_tf.reports.table import Column, text_table
from robust_tf.results import atomic

PICTURED = 10  # queries of one picture, and images of each
BATCH = 128  # queries embedded together


class Found(NamedTuple):
    """One of the nearest images of a query.

    Attributes:
        query: Path of the query.
        place: 1 for the nearest.
        row: Row of the image in the gallery.
        distance: float, between unit vectors, in [0, 2].
        name: str, the file below the gallery.
    """

    query: pathlib.Path
    place: int
    row: int
    distance: float
    name: str


def search(gallery, queries, examples, count):
    """Returns the list of `Found`, nearest first, query by query.

    A query that lies in the gallery does not find itself, nor a link to it.

    Args:
        gallery: `EmbeddedGallery`.
        queries, examples: see `read_queries`.
        count: int, images for each query.

    Raises:
        UserError: a gallery of one image, which may be the query, or of links to a query alone.
    """
    size = len(gallery.names)
    if size < 2:
        raise UserError("--gallery has one image; a search needs at least two")
    rows_of = collections.defaultdict(set)  # several where the gallery has links to a file
    for row, path in enumerate(gallery.files.paths):
        rows_of[_itself(path)].add(row)
    own = [rows_of.get(_itself(path), set()) for path in queries]
    if (most := max(map(len, own))) == size:
        raise UserError(f"--gallery has {size} links to the query, and no other image; add some")
    nearest = NearestImages(gallery.embeddings, gallery.names, min(count + most, size))
    points, found = embed(gallery.embed_fn, examples, BATCH), []
    asked = zip(queries, points, own, strict=True)
    for path, point, rows in watched(asked, len(queries), "search", "query"):
        ranking = nearest(point[None])
        pairs = zip(ranking["ids"].numpy()[0], ranking["distances"].numpy()[0], strict=True)
        others = [pair for pair in pairs if pair[0] not in rows]
        found += [
            Found(path, place, int(row), float(distance), gallery.names[row])
            for place, (row, distance) in enumerate(others[:count], start=1)
        ]
    return found


def _itself(path):
    """What a file and all links to it have in common."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def picture(gallery, found, examples, title):
    """Returns the figure of the first ten queries, each with its ten nearest images.

    Args:
        gallery: `EmbeddedGallery`.
        found: see `search`.
        examples: see `read_queries`.
        title: str.
    """
    queries = list(dict.fromkeys(item.query for item in found))[:PICTURED]
    fewest = min(sum(item.query == query for item in found) for query in queries)
    rows, shown = [], min(fewest, PICTURED)
    for query, image in zip(queries, images_of(examples, slice(len(queries))).numpy()):
        own = [item for item in found if item.query == query][:shown]
        pixels = [gallery.pixels_of(item.row) for item in own]
        names = [f"{shortened(item.name, 12)}\n{item.distance:.3f}" for item in own]
        rows.append(Row(shortened(query.name, 12), image, pixels, names, [None] * len(own)))
    return neighbour_figure(f"{title}\nnearest first; below a name: distance", {"": rows})


def save_embeddings(gallery, path):
    """Writes embeddings and names to an .npz file, which faiss and usearch can read."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, embeddings=gallery.embeddings, names=np.array(gallery.names))
    atomic.write(path, buffer.getbuffer())


def read_queries(query, info, on_bad_image="fail", max_pixels=None):
    """Returns (list of Path, `Examples`) of one image or of a folder.

    Args:
        query: path of the image or of the folder.
        info, on_bad_image, max_pixels: see `gallery_folder.read`; a single image must be readable.

    Raises:
        UserError: neither, no images, or see `gallery_folder.read` and `read_single`.
    """
    path = pathlib.Path(query)
    if path.is_file():
        image, _ = gallery_folder.read_single(path, info, max_pixels)
        return [path], Examples(image[None], np.zeros(1, np.int32))
    if not path.is_dir():
        raise UserError(
            f"--query={path} is no file; give a JPEG or PNG image, or a folder of images"
        )
    files = images(path)
    if not files:
        raise UserError(
            f"--query={path} has no images itself ({', '.join(SUFFIXES)})"
            f"{other_folder('query', first_with_images(path))}"
        )
    files = gallery_folder.GalleryFolder(files, None, ())
    files, examples = gallery_folder.read(
        files, info, on_bad_image, max_pixels, name=f"--query={path}"
    )
    return files.paths, examples


def search_table(found):
    """Returns the list of `Found` as aligned text."""
    columns = [
        Column("query", lambda item: printable(item.query.name)),
        Column("place", lambda item: item.place),
        Column("distance", lambda item: item.distance, ".4f"),
        Column("image", lambda item: item.name),
    ]
    return text_table(columns, found)
