"""What an attack does, image by image, kept on the disk while it runs."""

import hashlib
import os
import pathlib

import numpy as np

from robust_tf.results import jsonl
from robust_tf.results.digest import of_json

MOST_ROWS = 10**7  # seven times the images of ImageNet


def identity_of(about):
    """Returns what outcomes depend on of the fields that all records share, a dict.

    They depend on the weights, not on how these came about.
    """
    return {name: value for name, value in about.items() if name != "segments"}


class ResultsCache:
    """What each image did under one attack: arrays by restart and name of the output.

    With a folder, every batch is one appended line of a file, so that a killed evaluation goes on
    where it stopped. The file is named after the hash of the identity: results of other weights,
    settings or images are never found. The identity needs no batch size and no list of the
    attacked images, as the outputs of an image do not depend on these.

    Args:
        count: int, images in the data set; None: those up to the last one in the file.
        folder: Folder of the file, made with the first entry. None: nothing is written.
        identity: dict for JSON of everything that the outputs depend on.
        fresh: Whether to forget the stored outputs.

    Attributes:
        added: int, how many outputs of images were added since.
    """

    def __init__(self, count, folder=None, identity=None, *, fresh=False):
        self._known, self._outputs = {}, {}
        self._identity = {**(identity or {}), "keyed_by": "image"}
        self._path = folder and pathlib.Path(folder) / f"{digest(self._identity)}.jsonl"
        if self._path and fresh:
            self._path.unlink(missing_ok=True)
        self._read = self._path.stat().st_size if self._path and self._path.exists() else 0
        lines = list(filter(_is_sound, jsonl.read(self._path))) if self._path else ()
        if count is None:
            count = 1 + max((row for line in lines for row in line.get("rows", ())), default=-1)
        self.count, self.added = count, 0
        self._take(lines)

    def known(self, restart, rows):
        """Returns bool [m], which of int [m] `rows` have their outputs of this restart."""
        if restart not in self._known:
            return np.zeros(len(rows), bool)
        return self._known[restart][rows]

    def get(self, restart, rows):
        """Returns dict name of the output -> array [m, ...] of known `rows`."""
        return {name: v[rows] for name, v in self._outputs.get(restart, {}).items()}

    def complete(self, rows, restarts, active):
        """Returns whether all restarts of int [m] `rows` are known.

        Args:
            restarts: int.
            active: name of the bool output without which a later restart leaves an image out.
        """
        for restart in range(restarts):
            if not self.known(restart, rows).all():
                return False
            rows = rows[self.get(restart, rows)[active]] if len(rows) else rows
        return True

    def add(self, restart, rows, outputs):
        """Keeps the outputs, dict name -> array [m, ...], of int [m] `rows`."""
        if self._path:
            # As they will be read, to the type.
            outputs = {name: np.asarray(values).tolist() for name, values in outputs.items()}
            self._append(restart, np.asarray(rows), outputs)
        self._put(restart, rows, outputs)
        self.added += len(rows)

    def _append(self, restart, rows, outputs):
        """Appends a line of the outputs that no other process has appended before."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with jsonl.opened(self._path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(min(self._read, size))
            lines = filter(None, map(jsonl.parsed, file.read().split(b"\n")))
            self._take(filter(_is_sound, lines))
            new = np.flatnonzero(~self.known(restart, rows))
            if len(new):
                some = {name: [values[i] for i in new] for name, values in outputs.items()}
                line = {"restart": restart, "rows": rows[new].tolist(), **some}
                jsonl.write(file, [line] if size else [{"identity": self._identity}, line])
            self._read = file.seek(0, os.SEEK_END)

    def _take(self, lines):
        for line in lines:
            if "rows" in line:
                self._put(line.pop("restart"), line.pop("rows"), line)

    def _put(self, restart, rows, outputs):
        known = self._known.setdefault(restart, np.zeros(self.count, bool))
        arrays = self._outputs.setdefault(restart, {})
        for name, values in outputs.items():
            values = np.asarray(values)
            if name not in arrays:
                arrays[name] = np.zeros((self.count, *values.shape[1:]), values.dtype)
            arrays[name][rows] = values
        known[rows] = True


def _is_sound(line):
    """Whether the rows of a line can be of images: each takes memory for all rows before it."""
    return all(isinstance(row, int) and 0 <= row < MOST_ROWS for row in line.get("rows", ()))


def digest(identity):
    """Returns 20 hex digits of the SHA-256 of a dict for JSON."""
    return of_json(identity)[:20]


def examples_hash(examples):
    """Returns the SHA-256, in hex, of images (or their files' bytes) and labels."""
    found = hashlib.sha256(np.ascontiguousarray(examples.labels).tobytes())
    encoded = examples.images.dtype == object
    for image in examples.images:
        found.update(image if encoded else np.ascontiguousarray(image).tobytes())
    return found.hexdigest()
