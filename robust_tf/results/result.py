"""Results of measurements: one JSON line each, the only source of tables and figures."""

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import warnings

import keras
import numpy as np
import tensorflow as tf
from scipy.stats import binomtest

import robust_tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One number, with everything that is needed to say what it means.

    Attributes:
        dataset, split, n: what was measured on, and how many images of it.
        method, model, training_seed: how the network was trained, its name, the seed of the run.
        attack, attack_settings: name, and steps, step_size, restarts, ...; "clean", {}; also
            `reference_settings` where `value` depends on training images.
        threat_model: eps, norm, lower, upper in the unit of images in [0, 1]; {} for "clean".
        metric, value: e.g. "accuracy", in [0, 1].
        correct: number of images that `value` counts, None where it counts none.
        interval: (low, high), 95 % interval of `value` as a binomial proportion (Wilson), or None.
        precision: Keras policy of the attacked network.
        seed: of the attack's random draws.
        weights_hash: of the network's weights.
        versions: package name -> version.
        after: what was tried before in an ensemble; only images that withstood it were attacked,
            and `value` counts those that withstood it and this.
    """

    dataset: str
    split: str
    n: int
    method: str
    model: str
    training_seed: int
    attack: str
    attack_settings: dict
    threat_model: dict
    metric: str
    value: float
    correct: int
    interval: tuple
    precision: str
    seed: int
    weights_hash: str
    versions: dict
    after: tuple = ()

    @property
    def column(self):
        """The attack as a column of a table: a member of an ensemble is none of its own."""
        return f"{self.attack} after {', '.join(self.after)}" if self.after else self.attack


def append_results(path, results):
    """Appends `results` to the JSON lines of `path`; they are on the disk when this returns."""
    append_lines(path, map(dataclasses.asdict, results))


def read_results(path):
    """Returns the results in `path`; a line cut off by a crash is left out with a warning."""
    results = []
    for fields in read_lines(path):
        # JSON has no tuples.
        tuples = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        results.append(Result(**{**fields, **tuples}))
    return results


def append_lines(path, records):
    """Appends dicts as JSON lines to `path`; they are on the disk when this returns."""
    path = pathlib.Path(path)
    torn = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        # What a killed process left unfinished must not swallow the next line.
        file.write("\n" if torn else "")
        file.writelines(json.dumps(record) + "\n" for record in records)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path):
    """Returns the dicts in `path`; a line cut off by a crash is left out with a warning."""
    records = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            warnings.warn(f"{path}: line {number} was cut off and is left out", stacklevel=3)
    return records


def wilson_interval(correct, n):
    """Returns (low, high), the 95 % Wilson score interval of the proportion `correct` / `n`."""
    low, high = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(low), float(high)


def weights_hash(model):
    """Returns the SHA-256, in hex, of the weights in their order; the names do not enter.

    A `SavedClassifier` brings its own.
    """
    if hasattr(model, "weights_hash"):
        return model.weights_hash
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.ascontiguousarray(weight.numpy())
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def versions():
    """Returns the versions that a number depends on, package name -> version."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "robust_tf": robust_tf.__version__,
    }
