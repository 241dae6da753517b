"""What an attack does, image by image, kept on the disk while it runs."""

import hashlib
import json
import pathlib
import warnings

import numpy as np


class OutcomeStore:
    """A mapping (restart, number of the batch) -> array [images of the batch, ...], in a file.

    A batch is one appended line, so that a killed evaluation goes on where it stopped. The file
    bears the hash of the identity: of other weights, settings or images nothing is ever found.

    Args:
        folder: where the files are, made if missing with the first entry.
        identity: dict for JSON of everything that the outcomes depend on.
        kind: bool, what is correct, or float: measured values, kept to the last digit of float64.
        fresh: whether to forget what is stored.
    """

    def __init__(self, folder, identity, *, kind=bool, fresh=False):
        self._kind = kind
        self._field = "correct" if kind is bool else "values"
        self.path = pathlib.Path(folder) / f"{digest(identity)}.jsonl"
        self.added = 0
        self._identity = identity
        if fresh:
            self.path.unlink(missing_ok=True)
        text = self.path.read_text() if self.path.exists() else ""
        # What a killed process left unfinished must not swallow the next line.
        self._before = "" if text.endswith("\n") else "\n" if text else None
        self._outcomes = self._read(text)

    def __contains__(self, place):
        return place in self._outcomes

    def __getitem__(self, place):
        return self._outcomes[place]

    def __setitem__(self, place, outcome):
        restart, number = place
        written = np.asarray(outcome, int if self._kind is bool else float).tolist()
        self._append({"restart": restart, "batch": number, self._field: written})
        self._outcomes[place] = np.asarray(outcome, self._kind)
        self.added += 1

    def _append(self, line):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._before is None:
            self._before = json.dumps({"identity": self._identity}) + "\n"
        with self.path.open("a") as file:
            file.write(self._before + json.dumps(line) + "\n")
        self._before = ""

    def _read(self, stored):
        outcomes = {}
        for number, line in enumerate(stored.splitlines(), start=1):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                text = f"{self.path}: line {number} was cut off and is left out"
                warnings.warn(text, stacklevel=4)
                continue
            if "batch" in entry:
                place = entry["restart"], entry["batch"]
                outcomes[place] = np.array(entry[self._field], self._kind)
        return outcomes


def digest(identity):
    """Returns 20 hex digits of the SHA-256 of a dict for JSON."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]


def examples_hash(examples):
    """Returns the SHA-256, in hex, of images (or their files' bytes) and labels."""
    found = hashlib.sha256(np.ascontiguousarray(examples.labels).tobytes())
    encoded = examples.images.dtype == object
    for image in examples.images:
        found.update(image if encoded else np.ascontiguousarray(image).tobytes())
    return found.hexdigest()
