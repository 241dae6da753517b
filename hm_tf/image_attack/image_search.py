"""The nearest images of a gallery to the user's own queries; nothing is attacked."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch
from hm_tf.evaluation.nearest_images import NearestImages
from hm_tf.ranking_attacks.gallery_check import check_embeddings
from robust_tf.data import gallery_folder
from robust_tf.data.class_folders import SUFFIXES, images
from robust_tf.data.text_lines import printable, shortened
from robust_tf.errors import UserError
from robust_tf.reports.neighbour_figure import Row, neighbour_figure
from robust_tf.reports.table import Column, text_table

PICTURED = 10  # queries of one picture, and images of each


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


class EmbeddedGallery:
    """The images of a folder with their embeddings.

    Args:
        run: `FinishedRun` or `SavedRun`.
        gallery: path of the folder.
        on_bad_image, max_pixels: see `gallery_folder.read`.
        batch_size: images embedded together.

    Attributes:
        names: list of str, the files below the folder.
        embeddings: float32 [N, d], unit vectors.

    Raises:
        UserError: no images, or embeddings that are no unit vectors.
    """

    def __init__(self, run, gallery, *, on_bad_image="fail", max_pixels=None, batch_size=128):
        self._info, self._max_pixels = run.info, max_pixels
        files = gallery_folder.scan(gallery)
        self._files, self._examples = gallery_folder.read(files, run.info, on_bad_image, max_pixels)
        root = pathlib.Path(os.path.expanduser(gallery))
        self.names = [printable(path.relative_to(root)) for path in self._files.paths]
        self._of_batch = embedding_of_batch(run.network())
        size = min(batch_size, len(self._examples))
        self.embeddings = embed(self._of_batch, self._examples, size, "gallery")
        check_embeddings(self.embeddings)

    def search(self, queries, count):
        """Returns (list of `Found`, nearest first, query by query; pixels of the queries).

        A query that lies in the gallery does not find itself.

        Args:
            queries: list of Path.
            count: int, images for each query.
        """
        images = [self._query(path) for path in queries]
        nearest = NearestImages(self.embeddings, self.names, min(count + 1, len(self.names)))
        found = []
        for path, image in zip(queries, images, strict=True):
            ranking = nearest(self._of_batch(image[None]))
            pairs = zip(ranking["ids"].numpy()[0], ranking["distances"].numpy()[0], strict=True)
            others = [(row, distance) for row, distance in pairs if not self._is(path, row)]
            found += [
                Found(path, place, int(row), float(distance), self.names[row])
                for place, (row, distance) in enumerate(others[:count], start=1)
            ]
        return found, images

    def picture(self, found, images, title):
        """Returns the figure of the first ten queries, each with its ten nearest images.

        Args:
            found, images: See `search`.
            title: str.
        """
        queries = list(dict.fromkeys(item.query for item in found))[:PICTURED]
        fewest = min(sum(item.query == query for item in found) for query in queries)
        rows, shown = [], min(fewest, PICTURED)
        for query, image in zip(queries, images, strict=False):
            own = [item for item in found if item.query == query][:shown]
            pixels = [gallery_folder.pixels_of(self._examples, item.row) for item in own]
            names = [f"{shortened(item.name, 14)}\n{item.distance:.3f}" for item in own]
            rows.append(Row(shortened(query.name, 14), image, pixels, names, [None] * len(own)))
        return neighbour_figure(f"{title}\nnearest first; below a name: distance", {"": rows})

    def save(self, path):
        """Writes `embeddings` and `names` to an .npz file, which faiss and usearch can read."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:  # of a path NumPy would change the name
            np.savez(file, embeddings=self.embeddings, names=np.array(self.names))

    def _query(self, path):
        return gallery_folder.read_single(path, self._info, self._max_pixels)[0]

    def _is(self, path, row):
        return self._files.paths[row].samefile(path)


def query_files(path):
    """Returns the list of Path of a query: one image, or the images of a folder."""
    path = pathlib.Path(os.path.expanduser(path))
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(
            f"--query={path} is no file; give a JPEG or PNG image, or a folder of images"
        )
    files = images(path)
    if not files:
        raise UserError(f"--query={path} has no images ({', '.join(SUFFIXES)})")
    return files


def search_table(found):
    """Returns the list of `Found` as aligned text."""
    columns = [
        Column("query", lambda item: printable(item.query.name)),
        Column("place", lambda item: item.place),
        Column("distance", lambda item: item.distance, ".4f"),
        Column("image", lambda item: item.name),
    ]
    return text_table(columns, found)
