"""Verdicts of sanity checks as records: JSON lines beside those of the results."""

from robust_tf.results.result import append_lines, versions


def append_checks(path, checks, about):
    """Appends `checks` to the JSON lines of `path`.

    Args:
        path: pathlib.Path.
        checks: list of `Check`.
        about: dict for JSON of what was checked, on what, and under which attack.
    """
    append_lines(path, [{**c._asdict(), **about, "versions": versions()} for c in checks])
