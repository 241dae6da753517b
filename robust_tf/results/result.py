"""Results of measurements: one JSON line each, the only source of tables and figures."""

import dataclasses
import hashlib
import platform
import warnings

import keras
import numpy as np
import tensorflow as tf
from scipy.stats import binomtest

import robust_tf
from robust_tf.results import jsonl
from robust_tf.threat_model import NORMS

RESAMPLES = 2000
MOST_DRAWN = 1_000_000  # values in memory at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One number with the conditions of its measurement.

    Attributes:
        dataset, split, n: the data, and the number of images that were used.
        method, model, training_seed: method of the training, name of the network, seed of the run.
        attack, attack_settings: name, and steps, step_size, restarts, ...; "clean", {}; also
            `reference_settings` where `value` depends on training images.
        threat_model: eps, norm, lower, upper in the unit of images in [0, 1]; {} for "clean".
        metric, value: e.g. "accuracy", in [0, 1].
        correct: number of images that `value` counts, None where it counts none.
        interval: (low, high), 95 % interval of `value`, or None: Wilson's of a share, by bootstrap
            over the images of another mean.
        precision: Keras policy of the attacked network.
        seed: seed of the attack's random draws.
        weights_hash: hash of the network's weights.
        versions: package name -> version.
        after: earlier attacks of an ensemble. Only images that were still correct were attacked;
            `value` counts the images that are correct after all of them.
        warnings: dicts of "name" and "message", the doubts of the free checks.
        segments: parts of the training under other versions, commits, devices or precisions, in
            words; () where all of it had the same.
        spread: standard deviation of the draws that `value` is the mean of, or None.
        more: fields that a newer version wrote, name -> value.
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
    correct: int | None
    interval: tuple | None
    precision: str
    seed: int
    weights_hash: str
    versions: dict
    after: tuple = ()
    warnings: tuple = ()
    segments: tuple = ()
    spread: float | None = None
    more: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name in ("interval", "after", "warnings", "segments"):
            if isinstance(value := getattr(self, name), list):  # JSON has no tuples
                object.__setattr__(self, name, tuple(value))

    @property
    def column(self):
        """The name of the attack in a table; an ensemble's member names the members before it."""
        return f"{self.attack} after {', '.join(self.after)}" if self.after else self.attack


_OWN = {field.name: field for field in dataclasses.fields(Result) if field.name != "more"}
_REQUIRED = {name for name, field in _OWN.items() if field.default is dataclasses.MISSING}


def shared_fields(network, *, split="test", precision="float32", seed=0, **facts):
    """Returns the fields that all results of an evaluation share, dict.

    Args:
        network: the network that is measured.
        split: name of the split of the data.
        precision: Keras policy of the network.
        seed: Seed of the evaluation's draws.
        **facts: dataset, method, training_seed and segments, see `Result`.
    """
    about = {"split": split, "precision": precision, "seed": seed, **facts}
    return {"model": network.name, "weights_hash": weights_hash(network), **about}


def measured_value(about, metric, value, n, *, settings=None, threat_model=None, **more):
    """Returns the `Result` of a number.

    Args:
        about: see `shared_fields`.
        metric, value: name and number.
        n: number of images that were used.
        settings: dict of the attack's hyper-parameters, see `attack_settings`.
        threat_model: `ThreatModel`; None for clean images.
        **more: further fields of `Result`; without an attack the images are "clean".
    """
    defaults = {"attack": "clean", "correct": None, "interval": None}
    return Result(
        n=n,
        attack_settings=settings or {},
        threat_model=dataclasses.asdict(threat_model) if threat_model else {},
        metric=metric,
        value=value,
        versions=versions(),
        **about,
        **{**defaults, **more},
    )


def measured_share(about, metric, counted, **attack):
    """Returns the `Result` of the share of bool [n] `counted`, with its interval.

    Args:
        about, metric, **attack: see `measured_value`.
        counted: bool [n], e.g. the correctly classified images.
    """
    n, count = len(counted), int(np.sum(counted))
    number = {"correct": count, "interval": wilson_interval(count, n)}
    return measured_value(about, metric, float(np.mean(counted)), n, **number, **attack)


def measured_mean(about, metric, values, **attack):
    """Returns the `Result` of the mean of float [n] `values`, with its interval by bootstrap.

    Args:
        about, metric, **attack: see `measured_value`.
        values: float [n], one of each image.
    """
    number = {"interval": bootstrap_interval(values)}
    return measured_value(about, metric, float(np.mean(values)), len(values), **number, **attack)


def doubted(results, doubts):
    """Returns the `Result`s of an evaluation with the `Doubt`s of its free checks, a list."""
    warnings = as_warnings(doubts)
    return [dataclasses.replace(result, warnings=warnings) for result in results]


def as_warnings(doubts):
    """Returns a list of `Doubt` as the field `warnings` of a `Result`, a tuple of dicts."""
    return tuple(doubt._asdict() for doubt in doubts)


def worst_case(outcomes):
    """Returns bool [n]: the images that are correct in every one of `outcomes`, each bool [n].

    The mean of the per-image minima, never above the smallest of the means (check S25; Carlini et
    al. 2019, On evaluating adversarial robustness).
    """
    return np.logical_and.reduce(list(outcomes))


def append_results(path, results):
    """Appends `results` to the JSON lines of `path`; they are on the disk when this returns."""
    fields = [dataclasses.asdict(result) for result in results]
    jsonl.append(path, [record.pop("more") | record for record in fields])


def read_results(path):
    """Returns the results in the JSON lines of `path`, [] without a file.

    Damaged lines, and lines that lack a field or have another kind of value in it, are left out
    with a warning. Fields of a newer version are kept in `more`.
    """
    results = []
    for record in jsonl.read(path):
        if missing := sorted(_REQUIRED - record.keys()):
            text = f"{path}: a line without {missing[0]} is no result and is left out"
            warnings.warn(text, stacklevel=2)
            continue
        own = {name: value for name, value in record.items() if name in _OWN}
        more = {name: value for name, value in record.items() if name not in _OWN}
        result = Result(**own, more=more)
        if wrong := _wrong(result):
            text = f"{path}: a line with {wrong} {own[wrong]!r:.50} is no result and is left out"
            warnings.warn(text, stacklevel=2)
            continue
        results.append(result)
    return results


def is_threat_model(value):
    """Returns whether a value of a record, which anybody may have written, is a threat model."""
    return isinstance(value, dict) and (
        not value or (_is_a(value.get("eps"), float) and value.get("norm") in NORMS)
    )


def _wrong(result):
    """The name of the first field whose value is of another kind than its own; None without any."""
    inside = {"interval": float, "after": str, "segments": str, "warnings": dict}
    for name, field in _OWN.items():
        value = getattr(result, name)
        parts = value if name in inside and isinstance(value, tuple) else ()
        right = _is_a(value, field.type) and all(_is_a(part, inside[name]) for part in parts)
        if not right:
            return name
    if not is_threat_model(result.threat_model):
        return "threat_model"
    if result.interval is not None and len(result.interval) != 2:
        return "interval"
    said = all(_is_a(one.get("message"), str) for one in result.warnings)
    return None if said else "warnings"


def _is_a(value, kind):
    """`isinstance`, but a whole number is a float, too."""
    return isinstance(value, kind) or (isinstance(value, int) and isinstance(0.0, kind))


def wilson_interval(correct, n):
    """Returns (low, high), the 95 % Wilson score interval of the proportion `correct` / `n`."""
    low, high = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(low), float(high)


def bootstrap_interval(values):
    """Returns (low, high), the 95 % percentile interval of the mean (Efron and Tibshirani 1993).

    Equally many values have the same resamples.

    Args:
        values: float [n].
    """
    values, draw = np.asarray(values), np.random.default_rng(0)
    n = len(values)
    at_once = max(1, MOST_DRAWN // n)
    sizes = (min(at_once, RESAMPLES - done) for done in range(0, RESAMPLES, at_once))
    means = [values[draw.integers(0, n, [size, n])].mean(axis=1) for size in sizes]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def weights_hash(model):
    """Returns the SHA-256, in hex, of the weights in their order, without their names.

    A `SavedClassifier` has a `weights_hash` of its own.
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
