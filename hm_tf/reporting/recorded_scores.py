"""The columns of the paper's tables, in its units, as the records of a run have them."""

import json
from typing import NamedTuple

from hm_tf.evaluation.robustness_score import COLUMNS, printed

CLEAN = ("R@1", "R@2", "mAP", "NMI")
SCORE = "ERS"
ATTACKED = tuple(column.name for column in COLUMNS)
ALL = (*CLEAN, *ATTACKED, SCORE)
_RAW = {column.name for column in COLUMNS if not column.percent}
# Settings of the worst case and of the score alone.
_OF_ONE_RECORD = ("over", "collapsed")
# What the printed tables were measured with stands first.
_PRINTED_AS = (("compat", "protocol"), ("fixed", "protocol"))


class ScoreRow(NamedTuple):
    """What the ranking attacks found in one mode and strength.

    Attributes:
        mode: "compat" or "fixed".
        strength: "protocol", "strong", "worst" or "transfer".
        n: queries.
        gallery: images that they were ranked in.
        values: dict column -> value as printed; ERS is among them only with all ten columns.
        collapsed: whether the network has collapsed, so that ERS means nothing; None if unknown.
        results: the list of `Result` it is made of.
    """

    mode: str
    strength: str
    n: int
    gallery: int
    values: dict
    collapsed: bool | None
    results: list

    def cells(self):
        """The ten columns and ERS as text, "-" for what was not measured."""
        cells = [text(name, self.values.get(name)) for name in ATTACKED]
        return (*cells, "collapsed" if self.collapsed else text(SCORE, self.values.get(SCORE)))


def clean_values(measured, n=None):
    """Returns dict metric -> percent of the clean images, the latest.

    Args:
        measured: list of `Result` of one network, in order.
        n: on how many images, where there is a choice.
    """
    return {name: 100 * r.value for name, r in clean_results(measured, n).items()}


def clean_results(measured, n=None):
    """Returns dict metric -> `Result`; arguments as of `clean_values`."""
    clean = [r for r in measured if r.attack == "clean" and r.metric in CLEAN]
    same = [r for r in clean if r.n == n]
    return {r.metric: r for r in same or clean}


def score_rows(measured, n=None):
    """Returns the list of `ScoreRow`, one per mode, strength and substitute, in alphabetic order.

    The records of a row are of one evaluation: all settings and images alike. Of several that with
    the most attacks counts, of these that with the most queries, of these the last. (A training
    ends with R@1 under ES of all images: it stands above both columns of ES of fewer.)

    Args:
        measured: list of `Result` of one network, in order.
        n: None, or the number of queries that an evaluation must be of.
    """
    evaluations = {}
    for result in measured:
        settings = result.attack_settings
        if "mode" not in settings or n not in (None, result.n):
            continue
        where = settings["mode"], settings["strength"], settings.get("substitute", "")
        alike = evaluations.setdefault(where, {})
        # The latest goes to the end, a record and an evaluation.
        found = alike.pop(_how(result), {})
        alike[_how(result)] = found
        found.pop((result.attack, result.metric), None)
        found[result.attack, result.metric] = result
    rows = []
    for (mode, strength, _), found in sorted(evaluations.items()):
        best = max(reversed(found.values()), key=_extent)
        rows.append(_row(mode, strength, best))
    return rows


def paper_row(rows):
    """The `ScoreRow` to set beside the paper's: of its protocol, compat if there; None without."""
    for wanted in _PRINTED_AS:
        for row in rows:
            if (row.mode, row.strength) == wanted:
                return row
    return None


def text(name, value, sign=""):
    """Returns a value of a column with as many digits as the paper prints; "-" for None."""
    if value is None:
        return "-"
    return f"{value:{sign}.3f}" if name in _RAW else f"{value:{sign}.1f}"


def _extent(found):
    attacks = {attack for attack, _ in found}
    return len(attacks), next(iter(found.values())).n, len(found)


def _how(result):
    """What all records of one evaluation have in common, hashable."""
    settings = {k: v for k, v in result.attack_settings.items() if k not in _OF_ONE_RECORD}
    same = result.n, result.seed, result.precision, result.threat_model, settings
    return json.dumps(same, sort_keys=True)


def _row(mode, strength, by_place):
    values = {
        column.name: printed(column, by_place[column.attack, column.measure].value)
        for column in COLUMNS
        if (column.attack, column.measure) in by_place
    }
    results, collapsed = list(by_place.values()), None
    if score := by_place.get((SCORE, SCORE)):
        values[SCORE] = 100 * score.value
        collapsed = score.attack_settings["collapsed"]
    n = results[0].n
    gallery = results[0].attack_settings.get("gallery", n)
    return ScoreRow(mode, strength, n, gallery, values, collapsed, results)
