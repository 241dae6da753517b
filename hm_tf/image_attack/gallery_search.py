"""A user's gallery as a network searches it with one query, clean or with one image moved."""

import filecmp
import pathlib
from typing import NamedTuple

import numpy as np

from robust_tf.data.gallery_folder import GalleryFolder
from robust_tf.data.text_lines import printable
from robust_tf.errors import UserError

UNKNOWN = -1


class GallerySearch(NamedTuple):
    """The gallery with the query in it, as the protocol of the ranking attacks has it.

    Attributes:
        files: `GalleryFolder`; its last image is the query where the gallery does not hold it.
        embeddings: float32 [N, d], unit vectors, clean.
        query: the row of the query.
        added: whether the query was not among the user's images.
    """

    files: GalleryFolder
    embeddings: np.ndarray
    query: int
    added: bool

    def ranked(self, row, embedding):
        """Returns (rows of all images but the query, nearest first; their distances to it).

        Args:
            row: the image that is moved, the query or another one.
            embedding: float [d], where it is then.
        """
        points, query = self.embeddings, embedding
        if row != self.query:
            points, query = points.copy(), points[self.query]
            points[row] = embedding
        distances = np.linalg.norm(points - query, axis=1)
        order = np.argsort(distances, kind="stable")
        order = order[order != self.query]
        return order, distances[order]

    def name_of(self, row):
        """A short name of an image: its class, if it has one, and its file."""
        name = printable(self.files.paths[row].name)
        known = self.files.labels is not None and self.files.labels[row] != UNKNOWN
        return f"{self.files.class_of(row)}/{name}" if known else name

    def same_class(self, row):
        """Whether an image is of the query's class; None where that is not known."""
        labels = self.files.labels
        if labels is None or labels[self.query] == UNKNOWN:
            return None
        return bool(labels[row] == labels[self.query])


def search_with(files, embeddings, path, embedding, query_class=None):
    """Returns the `GallerySearch` of a query.

    Args:
        files: `GalleryFolder`.
        embeddings: float32 [n, d], of its images.
        path: Path of the query.
        embedding: float32 [d], embedding of the query.
        query_class: Name of its class; None takes the class of the same file in the gallery.

    Raises:
        UserError: a class that the gallery lacks, or another one than the query has there.
    """
    label = _label(files, query_class)
    row = find(files, path)
    if row is None:
        labels = None if files.labels is None else np.append(files.labels, label)
        files = GalleryFolder([*files.paths, pathlib.Path(path)], labels, files.class_names)
        embeddings = np.concatenate([embeddings, embedding[None]])
        return GallerySearch(files, embeddings, len(embeddings) - 1, True)
    if query_class not in (None, files.class_of(row)):
        raise UserError(f"--query_class={query_class}: in the gallery it is {files.class_of(row)}")
    embeddings = embeddings.copy()
    embeddings[row] = embedding
    return GallerySearch(files, embeddings, row, False)


def find(files, path):
    """Returns the row of a file with the same content, None without one."""
    path = pathlib.Path(path)
    size = path.stat().st_size
    for row, other in enumerate(files.paths):
        if other.stat().st_size == size and filecmp.cmp(path, other, shallow=False):
            return row
    return None


def _label(files, query_class):
    if query_class is None:
        return UNKNOWN
    if query_class not in files.class_names:
        few = ", ".join(files.class_names[:5])
        allowed = f"the gallery has {few}{', ...' if len(files.class_names) > 5 else ''}"
        raise UserError(
            f"--query_class={query_class}: "
            f"{allowed if few else 'a gallery without subfolders has no classes'}"
        )
    return files.class_names.index(query_class)
