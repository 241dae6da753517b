"""Adversarial images kept in a file, with what they were made of."""

import contextlib
import functools
import json
import os
import pathlib

import numpy as np

from robust_tf.errors import UNREADABLE, UserError
from robust_tf.results import atomic
from robust_tf.results.cache import digest
from robust_tf.results.output_place import require_own_file

UNFINISHED = ".unfinished.npz"


class AdversarialImages:
    """The images that one attack made: a results cache that keeps the output "image" in a file.

    The finished file is an .npz of `images` float32 [n, h, w, c], `attacked` bool [n] (the others
    are zero) and `identity`, JSON. Until then the images are in a .partial file beside it, so that
    a killed evaluation goes on.

    Args:
        path: Path of the finished file.
        identity: dict for JSON of everything that the images depend on.
        shape: (n, h, w, c).
        fresh: Whether to replace the stored images.

    Attributes:
        cache: `ResultsCache` of the other outputs, set before the attack.
        complete, begun: whether the finished file, or the unfinished one, is there.
        attacked: bool [n], of the finished file.

    Raises:
        UserError: the file is of another identity, or of no such images.
    """

    cache = None

    def __init__(self, path, identity, shape, *, fresh=False):
        self.path = pathlib.Path(path)
        self.complete = self.path.exists() and not fresh
        self._identity, self._shape = identity, shape
        self._partial = self.path.with_name(f"{self.path.stem}-{digest(identity)}.partial")
        if fresh:
            self._partial.unlink(missing_ok=True)
        require_own_file(self._partial)
        self.begun = self._partial.exists()
        if self.complete:
            with opened(self.path) as stored:
                found, self.attacked = json.loads(str(stored["identity"])), stored["attacked"]
            self._require_own(found)

    @functools.cached_property
    def images(self):
        """float32 [n, h, w, c], read when they are first asked for."""
        if self.complete:
            with opened(self.path) as stored:
                return stored["images"]
        images = np.zeros(self._shape, np.float32)
        if self.begun:
            found = np.fromfile(self._partial, np.float32)
            images.ravel()[: found.size] = found[: images.size]
        return images

    def known(self, restart, rows):
        """See `ResultsCache.known`."""
        return self.cache.known(restart, rows)

    def get(self, restart, rows):
        """See `ResultsCache.get`; without the images."""
        return self.cache.get(restart, rows)

    def add(self, restart, rows, outputs):
        """Keeps the images of the first run, or of the one that is misclassified."""
        images = outputs.pop("image")
        self._write(rows, images, (restart == 0) | ~outputs["correct"])
        self.cache.add(restart, rows, outputs)

    @property
    def added(self):
        """See `ResultsCache.added`."""
        return self.cache.added

    def _write(self, rows, images, replaced):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows, images = rows[replaced], images[replaced]
        self.images[rows] = images
        self._partial.touch()
        with self._partial.open("r+b") as file:
            for row in rows:
                file.seek(row * self.images[0].nbytes)
                file.write(self.images[row].tobytes())
            file.flush()
            os.fsync(file.fileno())  # before the cache says that they are known

    def save(self, attacked):
        """Writes the finished file; `attacked` is bool [n]."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(UNFINISHED)
        beside.unlink(missing_ok=True)  # a link would be written through
        np.savez(beside, images=self.images, attacked=attacked, identity=json.dumps(self._identity))
        atomic.rename(beside, self.path)
        self._partial.unlink(missing_ok=True)

    def _require_own(self, identity):
        names = sorted(identity.keys() | self._identity.keys())
        other = [name for name in names if identity.get(name) != self._identity.get(name)]
        if other:
            raise UserError(
                f"{self.path} was made with another {', '.join(other)}; move it away, or replace "
                "it with --fresh"
            )


@contextlib.contextmanager
def opened(path):
    """The arrays of the finished file `path` by name; zip checks the sum of every array."""
    try:
        with np.load(path) as stored:
            yield stored
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be read as adversarial images") from error


def kept(folder):
    """Returns dict path -> identity of the finished files in a folder that hold all images.

    Raises:
        UserError: a file cannot be read.
    """
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        if path.name.endswith(UNFINISHED):  # of a killed evaluation
            continue
        with opened(path) as stored:
            if stored["attacked"].all():
                found[path] = json.loads(str(stored["identity"]))
    return found
