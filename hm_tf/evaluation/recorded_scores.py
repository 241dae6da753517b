"""The columns of the paper's tables, in its units, as the records of a run have them.

`measured` is the list of `Result` of one network, in the order of measurement.
"""

import json
from typing import NamedTuple

from hm_tf.evaluation.evaluation_conditions import EvaluationConditions, conditions_of_record
from hm_tf.evaluation.robustness_score import COLUMNS, printed
from robust_tf.reports.table import Column
from robust_tf.threat_model import format_magnitude

CLEAN = ("R@1", "R@2", "mAP", "NMI")
# The paper's column mAP holds one or the other; which of them no cell says.
PAPER_MAP = ("mAP", "MAP@10")
SCORE = "ERS"
ATTACKED = tuple(column.name for column in COLUMNS)
ALL = (*CLEAN, *ATTACKED, SCORE)
# Strengths beyond the protocol.
STRONGER = ("strong", "worst")
RAW = {column.name for column in COLUMNS if not column.percent}
# Column -> (attack, metric) of its record.
PLACES = {column.name: (column.attack, column.measure) for column in COLUMNS} | {
    SCORE: (SCORE,) * 2
}
# Settings of the worst case and of the score alone.
_OF_ONE_RECORD = ("over", "collapsed")
# What the printed tables were measured with stands first.
_PRINTED_AS = (("compat", "protocol"), ("fixed", "protocol"))


class ScoreRow(NamedTuple):
    """What the ranking attacks found in one mode and strength.

    Attributes:
        mode: "compat" or "fixed".
        strength: "protocol", "strong", "worst", "standard" or "transfer".
        on: `EvaluationConditions`, what else it was made on.
        values: dict column -> value as printed; ERS is among them only with all ten columns.
        collapsed: whether the network has collapsed, so that ERS means nothing; None if unknown.
        records: dict (attack, metric) -> `Result` it is made of.
    """

    mode: str
    strength: str
    on: EvaluationConditions
    values: dict
    collapsed: bool | None
    records: dict

    @property
    def results(self):
        """The list of `Result` it is made of."""
        return list(self.records.values())

    @property
    def by_column(self):
        """dict column -> the `Result` of its value."""
        return {name: self.records[PLACES[name]] for name in self.values}

    @property
    def scored(self):
        """Whether its score means something."""
        return SCORE in self.values and not self.collapsed

    def cell(self, name):
        """Returns a column or ERS as text, "-" where it was not measured."""
        return (
            "collapsed" if name == SCORE and self.collapsed else text(name, self.values.get(name))
        )

    def cells(self):
        """Returns the ten columns and ERS as text, tuple of str."""
        return tuple(map(self.cell, (*ATTACKED, SCORE)))


class ScoreFall(NamedTuple):
    """Two rows of one mode and the same `EvaluationConditions`: protocol and stronger attacks."""

    before: ScoreRow
    after: ScoreRow

    @property
    def change(self):
        """Change of the score; negative where stronger attacks found more."""
        return self.after.values[SCORE] - self.before.values[SCORE]


def clean_percents(measured, n=None):
    """Returns dict metric -> percent of the clean images; arguments of `latest_clean`."""
    return {name: 100 * r.value for name, r in latest_clean(measured, n).items()}


def latest_clean(measured, n=None):
    """Returns dict metric -> latest `Result` of the clean images, where possible of n images."""
    clean = [r for r in measured if r.attack == "clean" and r.metric in {*CLEAN, *PAPER_MAP}]
    same = [r for r in clean if r.n == n]
    return {r.metric: r for r in same or clean}


def evaluations(measured):
    """Returns the list of `ScoreRow`, one per evaluation; the latest stands last.

    The records of an evaluation have all settings and images alike; repeated ones replace others.
    """
    found = {}
    for result in measured:
        if "mode" in result.attack_settings:
            records = found.pop(_how(result), {})
            found[_how(result)] = records
            records.pop((result.attack, result.metric), None)
            records[result.attack, result.metric] = result
    return [_row(records) for records in found.values()]


def score_rows(measured):
    """Returns the list of `ScoreRow` to show, in alphabetic order of mode and strength.

    Each mode, strength, substitute and threat model has one row: the evaluation with the most
    attacks, then the most queries, then the latest. (A training ends with R@1 under ES of all
    images: it stands above both columns of ES of fewer images.)
    """
    best = {}
    for row in evaluations(measured):
        place = *_name(row), row.on.threat_model
        if place not in best or _extent(row) >= _extent(best[place]):
            best.pop(place, None)
            best[place] = row
    return sorted(best.values(), key=_name)


def paper_row(rows):
    """Returns the `ScoreRow` to set beside the paper's; None without one.

    The row is of the paper's protocol, in compat mode if there is one. Of several threat models the
    same rule decides as in `score_rows`. A run claims robustness in the threat model of this row.
    """
    for wanted in _PRINTED_AS:
        found = [row for row in rows if (row.mode, row.strength) == wanted]
        if found:
            return max(reversed(found), key=_extent)
    return None


def claimed_row(rows):
    """Returns the row whose score a run claims; None without a row.

    It is `paper_row`. That row has no score after a training that attacks R@1 alone. Then it is the
    row of the same threat model with the lowest score, for example the row of the standard attack.
    """
    shown = paper_row(rows)
    if shown is not None and SCORE in shown.values:
        return shown
    ball = shown and shown.on.threat_model
    scored = [row for row in rows if SCORE in row.values and row.strength != "transfer"]
    own = [row for row in scored if ball in (None, row.on.threat_model)]
    return min(own, key=lambda row: row.values[SCORE], default=shown)


def radii(rows):
    """Returns the column eps of a table of `ScoreRow`s in a list; [] where all are alike."""
    several = len({row.on.threat_model.norm for row in rows}) > 1

    def eps(row):
        ball = row.on.threat_model
        return f"{ball.norm} " * several + format_magnitude(ball.eps)

    return [Column("eps", eps)] if len(set(map(eps, rows))) > 1 else []


def digits(name):
    """Returns how many digits of a column the paper prints after the point."""
    return 3 if name in RAW else 1


def text(name, value, sign=""):
    """Returns a value of a column with as many digits as the paper prints; "-" for None."""
    return "-" if value is None else f"{value:{sign}.{digits(name)}f}"


def score_falls(rows, measured):
    """Returns the list of `ScoreFall`, one per row of stronger attacks that has its protocol.

    Args:
        rows: list of `ScoreRow` that are shown.
        measured: see above.
    """
    latest = {(row.mode, row.strength, row.on): row for row in evaluations(measured) if row.scored}
    stronger = [row for row in rows if row.strength in STRONGER and row.scored]
    pairs = [(latest.get((row.mode, "protocol", row.on)), row) for row in stronger]
    return [ScoreFall(before, after) for before, after in pairs if before]


def _extent(row):
    return len({result.attack for result in row.results}), row.on.n, len(row.results)


def _name(row):
    return row.mode, row.strength, row.results[0].attack_settings.get("substitute", "")


def _how(result):
    """What all records of one evaluation have in common, hashable."""
    settings = {k: v for k, v in result.attack_settings.items() if k not in _OF_ONE_RECORD}
    same = result.n, result.seed, result.precision, result.threat_model, settings
    return json.dumps(same, sort_keys=True)


def _row(by_place):
    values = {
        column.name: printed(column, by_place[column.attack, column.measure].value)
        for column in COLUMNS
        if (column.attack, column.measure) in by_place
    }
    first, collapsed = next(iter(by_place.values())), None
    if score := by_place.get(PLACES[SCORE]):
        values[SCORE] = 100 * score.value
        collapsed = score.attack_settings["collapsed"]
    settings, on = first.attack_settings, conditions_of_record(first)
    return ScoreRow(settings["mode"], settings["strength"], on, values, collapsed, by_place)
