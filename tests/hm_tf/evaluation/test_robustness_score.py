"""ERS against every printed row of the paper, and what counts as collapsed."""

import pytest

from hm_tf.evaluation.robustness_score import COLUMNS, has_collapsed, printed, score
from hm_tf.options import TRAIN
from hm_tf.reporting import published_rows

NAMES = [column.name for column in COLUMNS]
PRINTED = [row for row in published_rows.rows(TRAIN) if set(NAMES) <= row.values.keys()]
# Fashion-MNIST, from the notes in the authors' code: N/A[R], EST[R] and ACT[R].
NOTES = [
    ((1.1, 96.8, 0.3, 97.8, 0.990, 1.604, 0.1, 0.0, 12.6, 0.0), 4.2),
    ((14.9, 36.1, 20.9, 48.6, 0.966, 0.288, 62.0, 28.0, 20.8, 0.0), 38.7),
    ((33.6, 14.6, 38.5, 12.1, 0.259, 0.541, 48.5, 59.5, 60.2, 0.1), 63.3),
]
CASES = [(row.name, row.values, row.values["ERS"]) for row in PRINTED]
CASES += [(f"notes{i}", dict(zip(NAMES, row)), ers) for i, (row, ers) in enumerate(NOTES)]
CHANCE = {"CUB": 0.0099, "CARS": 0.0101, "SOP": 0.0001}


def test_there_are_102_rows():
    assert len(CASES) == 102


@pytest.mark.parametrize("name, values, ers", CASES, ids=[case[0] for case in CASES])
def test_the_printed_score(name, values, ers):
    assert score(values) == pytest.approx(ers, abs=0.07 + 1e-9)


def test_most_rows_agree_to_the_last_digit():
    exact = [abs(score(values) - ers) <= 0.05 + 1e-9 for _, values, ers in CASES]
    assert sum(exact) == 97


@pytest.mark.parametrize(
    "values, expected",
    [
        ((0, 100, 0, 99.9, 0.883, 1.762, 0, 0, 14.1, 0), 3.78),
        ((10.9, 50.5, 10.8, 44.6, 0.680, 0.722, 13.3, 11.2, 25.8, 1.2), 29.57),
        ((32.0, 4.2, 33.7, 3.0, 0.606, 0.207, 39.1, 39.8, 37.9, 45.6), 61.565),
        ((34.9, 3.8, 36.7, 2.3, 0.879, 0.093, 35.3, 36.5, 35.2, 49.1), 60.065),
    ],
)
def test_the_vectors(values, expected):
    assert score(dict(zip(NAMES, values, strict=True))) == pytest.approx(expected, abs=1e-9)


def test_a_missing_column_is_no_score():
    with pytest.raises(KeyError):
        score({name: 0.0 for name in NAMES[1:]})


def test_shares_are_printed_in_percent_the_others_as_they_are():
    raw = [column.name for column in COLUMNS if printed(column, 0.5) == 0.5]
    assert raw == ["TMA", "ES:D"]
    assert printed(COLUMNS[0], 0.5) == 50


def test_robust_is_what_raises_the_score():
    middle = dict.fromkeys(NAMES, 0.5)
    for column in COLUMNS:
        higher = score({**middle, column.name: 0.6})
        assert (higher > score(middle)) == column.high_is_robust


def test_of_the_printed_rows_one_has_collapsed():
    found = {
        row.defense
        for row in PRINTED
        if has_collapsed(row.values["R@1"] / 100, 0.5, CHANCE[row.dataset])
    }
    assert found == {"HM[S,0]"}


@pytest.mark.parametrize(
    "r1, cosine, expected",
    [(0.2, 0.3, True), (0.25, 0.3, False), (0.9, 0.991, True), (0.9, 0.99, False)],
)
def test_chance_and_cosine(r1, cosine, expected):
    assert has_collapsed(r1, cosine, chance=0.2) is expected
