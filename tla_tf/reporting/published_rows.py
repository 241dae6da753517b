"""The tables of the TLA paper, and the anchors of its field, with the flags that reproduce them.

Mao et al. 2019, "Metric learning for adversarial robustness": tables 1 to 3; the areas under
figure 5 are those of its poster. anchors: robust accuracies of RobustBench (snapshot 2025-03) and
of AutoAttack's README, for placing a result; few of them have flags here. "?" behind a value:
doubtful, the paper contradicts itself there.
"""

import pathlib
from typing import NamedTuple

from robust_tf.reports import published_table

FOLDER = pathlib.Path(__file__).parents[1] / "published"
ANCHORS = "anchors"
_DESCRIPTION = ("anchor", "dataset", "method", "norm", "eps", "n", "attack", "architecture") + (
    *("note", "flags"),
)
_RATIOS = ("separation ratio",)  # all others are in percent
_CLEAN = " clean"


class Cell(NamedTuple):
    """One published number.

    Attributes:
        attack, metric: as our records name them.
        value: float, in the paper's unit, `scale` times ours.
        doubtful: bool.
    """

    attack: str
    metric: str
    value: float
    scale: float
    doubtful: bool


class PublishedRow(NamedTuple):
    """A row of a table.

    Attributes:
        name: "table1/cifar10/tla", "table2/cifar10/tla/25/255", "anchors/mao2019".
        dataset, method: as our flags name them; the method is "" where this package has none.
        norm, eps: of the attack, eps as text: "8/255".
        n: images that the paper measured on.
        attack: of all numbers of the row; "" where every column is an attack.
        values: dict column -> float; `doubtful` names the columns in doubt.
        note: str, e.g. extra data.
        flags: of `python -m tla_tf.train`, on top of the recipe; () where this cannot be trained.
    """

    name: str
    dataset: str
    method: str
    norm: str
    eps: str
    n: int
    attack: str
    values: dict
    doubtful: tuple
    note: str
    flags: tuple

    @property
    def table(self):
        """e.g. "table1"."""
        return self.name.split("/")[0]

    @property
    def measure(self):
        """The command that measures the row on a trained run, but for its --workdir."""
        if self.table == ANCHORS:
            return "python -m tla_tf.evaluate --attacks=clean,standard"
        if not self.attack:
            return "python -m tla_tf.evaluate --attacks=table1"
        flags = f"--outputs={self.table} --attack={self.attack} --eps={self.eps}"
        return f"python -m tla_tf.analyze {flags}"

    def cells(self):
        """Returns the list of `Cell`."""
        return [self._cell(column, value) for column, value in self.values.items()]

    def _cell(self, column, value):
        attack, metric = (self.attack, column) if self.attack else (column, "accuracy")
        if metric.endswith(_CLEAN):
            attack, metric = "clean", metric.removesuffix(_CLEAN)
        scale = 1.0 if metric in _RATIOS else 100.0
        return Cell(attack, metric, value, scale, column in self.doubtful)


def rows():
    """Returns all rows: table 1, 2, 3, figure 5, anchors."""
    tables = sorted(FOLDER.glob("table*.csv"))
    others = [FOLDER / "figure5.csv", FOLDER / f"{ANCHORS}.csv"]
    return [row for path in (*tables, *others) for row in _read(path)]


def get(name):
    """Returns the row of a name; UserError lists those that begin alike."""
    return published_table.find(rows(), name)


def _read(path):
    table = path.stem.partition("_")[0]
    lines = published_table.read_lines(path)
    levels = {(line["dataset"], line["eps"]) for line in lines}
    several = len(levels) > len({dataset for dataset, _ in levels})
    return [_row(table, line, several) for line in lines]


def _row(table, line, several):
    place = [line["dataset"], line["method"], *([line["eps"]] if several else [])]
    return PublishedRow(
        name="/".join([table, *([line["anchor"]] if table == ANCHORS else place)]),
        dataset=line["dataset"],
        method=line["method"],
        norm=line.get("norm", "linf"),
        eps=line["eps"],
        n=int(line["n"]),
        attack=line.get("attack", ""),
        values=published_table.values(line, _DESCRIPTION),
        doubtful=published_table.doubtful(line),
        note=", ".join(filter(None, (line.get("architecture"), line.get("note")))),
        flags=tuple(line["flags"].split()),
    )
