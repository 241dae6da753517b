"""Verdicts of sanity checks as records: JSON lines beside those of the results."""

import json

from robust_tf.evaluation.records import versions


def append_checks(path, checks, about):
    """Appends `checks` to the JSON lines of `path`.

    Args:
        path: pathlib.Path.
        checks: list of `Check`.
        about: dict for JSON of what was checked, on what, and under which attack.
    """
    with path.open("a") as file:
        for check in checks:
            line = {**check._asdict(), **about, "versions": versions()}
            file.write(json.dumps(line) + "\n")
