"""The tables of the TLA paper and anchors of its field, with the flags that reproduce them.

Mao et al. 2019, "Metric learning for adversarial robustness": tables 1 to 3; the poster gives the
areas under the curves of figure 5. anchors: robust accuracies of RobustBench (snapshot 2025-03) and
of AutoAttack's README, which place a result; few of them have flags here. challenge: the first
entries of Madry et al. on the leaderboards of their challenges. series: pool sizes of the poster,
and levels of lambda and of the margin, without published numbers. "?" behind a value: the paper
contradicts itself there, or the value was read from a figure.
"""

import dataclasses
import pathlib
from typing import NamedTuple

from robust_tf.reports import published

FOLDER = pathlib.Path(__file__).parents[1] / "published"
ANCHORS = "anchors"
CHALLENGE = "challenge"
_DESCRIPTION: tuple[str, ...] = ("anchor", "dataset", "method", "norm", "eps", "n", "attack")
_DESCRIPTION += ("architecture", "note", "flags", "series", "level")
SERIES = ("pool", "lambda", "margin")
_RATIOS = ("separation ratio",)  # all others are in percent
_CLEAN = " clean"


class Cell(NamedTuple):
    """What a column of a row says.

    Attributes:
        attack, metric: as our records name them.
        scale: float, the paper's unit in ours.
    """

    attack: str
    metric: str
    scale: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedRow(published.PublishedRow):
    """A row of a table: "table1/cifar10/tla", "table2/cifar10/tla/25/255", "anchors/mao2019".

    Attributes:
        method: as our flags name it, "" where this package has no such method.
        norm, eps: norm and radius of the attack, the radius as text: "8/255".
        n: images that the paper measured on.
        attack: attack of all numbers of the row; "" where every column is an attack.
        note: str, e.g. extra data.
    """

    method: str
    norm: str
    eps: str
    n: int
    attack: str
    note: str

    @property
    def measure(self):
        """(Module, list of its flags without --workdir) that measure the row on a trained run."""
        attacks = dict.fromkeys(SERIES, "clean,cw30,pgd20,mim40")
        attacks |= {ANCHORS: "clean,standard", CHALLENGE: ",".join(self.values)}
        if self.table in attacks or not self.attack:
            return "tla_tf.evaluate", [f"--attacks={attacks.get(self.table, 'table1')}"]
        flags = [f"--outputs={self.table}", f"--attack={self.attack}", f"--eps={self.eps}"]
        return "tla_tf.analyze", flags

    def cell(self, column):
        """Returns the `Cell` of a column of `values`."""
        attack, metric = (self.attack, column) if self.attack else (column, "accuracy")
        if metric.endswith(_CLEAN):
            attack, metric = "clean", metric.removesuffix(_CLEAN)
        return Cell(attack, metric, 1.0 if metric in _RATIOS else 100.0)


def rows(trainings):
    """Returns all rows: table 1, 2, 3, figure 5, anchors, challenge.

    `trainings` is the `FlagTable` of `tla_tf.train`.
    """
    tables = sorted(FOLDER.glob("table*.csv"))
    others = [FOLDER / f"{name}.csv" for name in ("figure5", ANCHORS, CHALLENGE)]
    return [row for path in (*tables, *others) for row in _read(path, trainings)]


def series_rows(trainings):
    """Returns the rows of the series: "pool/250", "lambda/2", "margin/0.03"; see `rows`."""
    lines = published.read_lines(FOLDER / "series.csv")
    return [_row((line["series"], line["level"]), line, trainings) for line in lines]


def _read(path, trainings):
    table = path.stem.partition("_")[0]
    lines = published.read_lines(path)
    levels = {(line["dataset"], line["eps"]) for line in lines}
    several = len(levels) > len({dataset for dataset, _ in levels})
    columns = ("dataset", "method", *(["eps"] if several else []))
    if table == ANCHORS:
        columns = ("anchor",)
    return [_row((table, *map(line.get, columns)), line, trainings) for line in lines]


def _row(name, line, trainings):
    return PublishedRow(
        name=published.name_of(*name),
        trainings=trainings,
        method=line["method"],
        norm=line.get("norm", "linf"),
        eps=line["eps"],
        n=int(line["n"]),
        attack=line.get("attack", ""),
        note=", ".join(filter(None, (line.get("architecture"), line.get("note")))),
        **published.fields(line, _DESCRIPTION),
    )
