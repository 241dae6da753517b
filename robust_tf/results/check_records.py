"""Verdicts of sanity checks as records: JSON lines beside the results."""

import dataclasses

from robust_tf.results import jsonl
from robust_tf.results.result import is_threat_model, versions

REQUIRED = {"name", "status", "figure", "advice", "weights_hash"}
_KINDS = {**dict.fromkeys((*sorted(REQUIRED), "attack"), str), "n": int}


def append_checks(path, checks, about, *, n, attack, threat_model):
    """Appends a list of `Check` to the JSON lines of `path`.

    Args:
        about: dict for JSON of the network and the data that were checked.
        n: number of images or queries.
        attack: str, the attack that they were checked with.
        threat_model: `ThreatModel` of the attack.
    """
    ball = {"threat_model": dataclasses.asdict(threat_model)}
    same = {"n": n, "attack": attack, **about, **ball, "versions": versions()}
    jsonl.append(path, [{**check._asdict(), **same} for check in checks])


def read_checks(path):
    """Returns the checks in the JSON lines of `path` as dicts, [] without a file."""
    return [record for record in jsonl.read(path) if _is_check(record)]


def _is_check(record):
    """Whether a record, which anybody may have written, has all names, and its kinds of values."""
    right = all(isinstance(record[name], kind) for name, kind in _KINDS.items() if name in record)
    return REQUIRED <= record.keys() and right and is_threat_model(record.get("threat_model") or {})
