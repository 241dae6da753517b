"""How far stronger attacks lower the score of the protocol, of the same queries."""

from typing import NamedTuple

from hm_tf.reporting.recorded_scores import SCORE, ScoreRow

STRONGER = ("strong", "worst")


class ScoreFall(NamedTuple):
    """Two rows of the same mode that were made on the same, see `MeasuredOn`.

    Attributes:
        before: `ScoreRow` of the protocol.
        after: that of stronger attacks.
    """

    before: ScoreRow
    after: ScoreRow

    @property
    def change(self):
        """Of the score; negative where stronger attacks found more."""
        return self.after.values[SCORE] - self.before.values[SCORE]


def score_falls(rows, evaluations):
    """Returns the list of `ScoreFall`, one per row of stronger attacks that has its protocol.

    Args:
        rows: list of `ScoreRow` that are shown.
        evaluations: list of `ScoreRow`, all there are, in order.
    """
    falls = []
    for row in rows:
        if row.strength in STRONGER and row.scored:
            same = [before for before in evaluations if _stands_beside(before, row)]
            falls += [ScoreFall(same[-1], row)] if same else []
    return falls


def _stands_beside(before, row):
    same = (before.mode, before.strength, before.on) == (row.mode, "protocol", row.on)
    return same and before.scored
