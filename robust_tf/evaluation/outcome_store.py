"""Outcomes of an attack, image by image, kept on the disk while it runs."""

import hashlib
import json
import pathlib
import warnings

import numpy as np


class OutcomeStore:
    """A mapping (restart, number of the batch) -> bool [images of the batch], in a file.

    A batch is one appended line, so that a killed evaluation goes on where it stopped. The file bears
    the hash of the identity: of other weights, settings or images nothing is ever found.

    Args:
        folder: where the files are, made if missing with the first entry.
        identity: dict for JSON of everything that the outcomes depend on.
        fresh: whether to forget what is stored.
    """

    def __init__(self, folder, identity, *, fresh=False):
        self.path = pathlib.Path(folder) / f"{digest(identity)}.jsonl"
        self.added = 0
        self._identity = identity
        if fresh:
            self.path.unlink(missing_ok=True)
        self._outcomes = self._read() if self.path.exists() else {}

    def __contains__(self, place):
        return place in self._outcomes

    def __getitem__(self, place):
        return self._outcomes[place]

    def __setitem__(self, place, correct):
        restart, number = place
        line = {"restart": restart, "batch": number, "correct": np.asarray(correct, int).tolist()}
        self._append(line)
        self._outcomes[place] = np.asarray(correct, bool)
        self.added += 1

    def _append(self, line):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(line) + "\n"
        old = self.path.read_bytes()[-1:] if self.path.exists() else b""
        if not old:
            text = json.dumps({"identity": self._identity}) + "\n" + text
        # What a killed process left unfinished must not swallow the next line.
        with self.path.open("a") as file:
            file.write("\n" + text if old not in (b"", b"\n") else text)

    def _read(self):
        outcomes = {}
        for number, line in enumerate(self.path.read_text().splitlines(), start=1):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                warnings.warn(f"{self.path}: line {number} was cut off and is left out", stacklevel=4)
                continue
            if "batch" in entry:
                place = entry["restart"], entry["batch"]
                outcomes[place] = np.array(entry["correct"], bool)
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
