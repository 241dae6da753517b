"""Published numbers beside ours: paper, ours, difference, and whether they may be compared."""

from typing import NamedTuple

from robust_tf.reports.published import PublishedRow
from robust_tf.reports.result_tables import doubt_lines, marked
from robust_tf.reports.table import Column, text_table

COMPARABLE = "comparable"


class Comparison(NamedTuple):
    """A published number beside our measurements of it.

    Attributes:
        row: `PublishedRow`.
        column: str, its column; the paper may have no number there.
        name: str, what we measured.
        ours: float in the paper's unit, None where nothing was measured; or the word, str, that
            says why our number means nothing.
        digits: int, how many the paper prints after the point.
        differences: tuple of str, what keeps the two from being compared; empty if nothing does.
        same_data: whether both are of one data set; else there is no difference.
        results: tuple of `Result`, one a training seed, of which ours is the mean; () without ours.
    """

    row: PublishedRow
    column: str
    name: str
    ours: float | str | None
    digits: int
    differences: tuple = ()
    same_data: bool = True
    results: tuple = ()

    @property
    def paper(self):
        """The published number, None where there is none."""
        return self.row.values.get(self.column)

    @property
    def difference(self):
        """Ours less the paper's, None where one of them is no number of the same data."""
        numbers = self.paper is not None and not _is_word(self.ours)
        return self.ours - self.paper if numbers and self.same_data else None

    def text(self, value, sign=""):
        """Returns a value with as many digits as the paper prints; a word or None as it is."""
        return value if _is_word(value) else f"{value:{sign}.{self.digits}f}"


def _is_word(value):
    return value is None or isinstance(value, str)


def _paper(comparison):
    row, column, paper = comparison.row, comparison.column, comparison.paper
    return None if paper is None else f"{comparison.text(paper)}{row.mark(column)}"


def _ours(comparison):
    ours = comparison.text(comparison.ours)
    return None if ours is None else marked(ours, comparison.results)


PAPER = Column("paper", _paper)
OURS = Column("ours", _ours)
DIFFERENCE = Column("difference", lambda c: c.text(c.difference, "+"))
COLUMNS = (Column("column", lambda comparison: comparison.name), PAPER, OURS, DIFFERENCE)


def comparison_table(comparisons, columns=COLUMNS):
    """Returns `Comparison`s, a list, as aligned text, and a line per doubt about our numbers."""
    return "\n".join([text_table(columns, comparisons), *doubts_of(comparisons)])


def doubts_of(comparisons):
    """Returns a line of text per doubt about our numbers in `Comparison`s, a list."""
    return doubt_lines([result for comparison in comparisons for result in comparison.results])


def statement(differences, most=None):
    """Returns "comparable", or what differs, the most important first; `most` limits the list."""
    if not differences:
        return COMPARABLE
    shown = differences[:most]
    more = f"; and {len(differences) - len(shown)} more" if shown != differences else ""
    return f"not comparable: {'; '.join(shown)}{more}"
