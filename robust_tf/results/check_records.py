"""Verdicts of sanity checks as records: JSON lines beside the results."""

from robust_tf.results import jsonl
from robust_tf.results.result import versions

REQUIRED = {"name", "status", "figure", "advice", "weights_hash"}


def append_checks(path, checks, about):
    """Appends a list of `Check` to the JSON lines of `path`.

    `about` is a dict for JSON of the network, the data and the attack that were checked.
    """
    jsonl.append(path, [{**c._asdict(), **about, "versions": versions()} for c in checks])


def read_checks(path):
    """Returns the checks in the JSON lines of `path` as dicts, [] without a file."""
    return [record for record in jsonl.read(path) if REQUIRED <= record.keys()]
