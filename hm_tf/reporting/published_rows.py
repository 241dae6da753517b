"""The tables of the HM paper and the flags that reproduce their rows (Zhou and Patel 2022)."""

import dataclasses
import pathlib

from robust_tf.reports import published

FOLDER = pathlib.Path(__file__).parents[1] / "published"
_DESCRIPTION = ("dataset", "defense", "eta", "collapse", "flags")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedRow(published.PublishedRow):
    """A row of a table, e.g. "table3/HM[S,M]/8"; its data set is CUB, CARS or SOP, as printed.

    The name has the data set before the defense in table 6, and no η where nothing is attacked.
    The values are R@1, R@2, mAP, NMI, the attacks and ERS, in the paper's units. Every mAP is
    doubtful: some cells of this column hold MAP@10 instead.

    Attributes:
        defense: as our tables print it, with a setting that differs from the paper's usual one.
        eta: PGD steps in training, None where nothing is attacked.
        collapse: whether the paper reports a collapse; then there are no values.
    """

    defense: str
    eta: int | None
    collapse: bool


def rows(trainings):
    """Returns the rows of tables 2 to 11, in order; `trainings` is `hm_tf.train`'s `FlagTable`."""
    paths = [FOLDER / f"table{number}.csv" for number in range(2, 12)]
    return [row for path in paths for row in _read(path, trainings)]


def sampler_rows():
    """Returns the rows of table 1, `published.PublishedRow`, one per sampler: "table1/random".

    Their flags belong to `hm_tf.analyze`. The network is a ResNet-18 with ImageNet weights.
    """
    lines = published.read_lines(FOLDER / "table1.csv")
    return [
        published.PublishedRow(
            name=published.name_of("table1", line["sampler"]),
            **published.fields(line, (*_DESCRIPTION, "sampler")),
        )
        for line in lines
    ]


def _read(path, trainings):
    lines = published.read_lines(path)
    several = len({line["dataset"] for line in lines}) > 1
    columns = (*(["dataset"] if several else []), "defense", "eta")
    return [
        PublishedRow(
            name=published.name_of(path.stem, *map(line.get, columns)),
            trainings=trainings,
            defense=line["defense"],
            eta=int(line["eta"]) if line["eta"] else None,
            collapse=bool(line["collapse"]),
            **published.fields(line, _DESCRIPTION),
        )
        for line in lines
    ]
