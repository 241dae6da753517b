"""Tables of accuracies: cells, norms, aligned text."""

import dataclasses

from made_results import DOUBTED, made

from robust_tf.reports.result_tables import (
    MEASUREMENT_COLUMNS,
    METRIC_COLUMNS,
    accuracy_columns,
    accuracy_table,
    measurement_table,
    seeds_of,
)
from robust_tf.reports.table import aligned, filled, with_narrow_titles


def result(attack, settings, eps, value, interval):
    threat = {} if eps is None else {"eps": eps, "norm": "linf"}
    facts = {"attack_settings": settings, "threat_model": threat, "interval": interval}
    return made(attack, value, n=1000, seed=3, **facts)


def settings(steps, step_size, restarts=1):
    return {"steps": steps, "step_size": step_size, "restarts": restarts}


RESULTS = [
    result("clean", {}, None, 0.875, (0.853, 0.894)),
    result("20pgd20", settings(20, 1 / 255, 20), 8 / 255, 0.5, (0.469, 0.531)),
    result("pgd40", settings(40, 0.01), 0.3, 0.9, (0.88, 0.917)),
]


def accuracy_lines(results):
    return filled(accuracy_columns(results), results)[1]


def test_the_cells_of_a_line():
    assert accuracy_lines(RESULTS) == [
        ("clean", "-", "-", "-", "-", "1000", "87.50", "85.30 to 89.40", "-"),
        ("20pgd20", "20", "1/255", "20", "3", "1000", "50.00", "46.90 to 53.10", "8/255"),
        ("pgd40", "40", "0.01", "1", "3", "1000", "90.00", "88.00 to 91.70", "0.3"),
    ]


def test_norms_and_queries_are_named_where_they_tell_rows_apart():
    square = result("square", {"queries": 5000}, 0.5, 0.5, (0, 1))
    square.threat_model["norm"] = "l2"
    lines = accuracy_lines([*RESULTS, square])
    assert [line[-1] for line in lines] == ["-", "linf 8/255", "linf 0.3", "l2 0.5"]
    assert [line[1] for line in lines] == ["-", "20", "40", "5000 queries"]
    assert accuracy_lines([square])[0][-1] == "l2 0.5"


def test_plain_text_has_the_same_cells_in_aligned_columns():
    lines = accuracy_table(RESULTS).splitlines()

    assert set(lines[1]) == {"-", " "}
    for line, cells in zip(
        lines[:1] + lines[2:],
        [filled(accuracy_columns(RESULTS), [])[0], *accuracy_lines(RESULTS)],
        strict=True,
    ):
        found = [line[at : at + len(cell)] for at, cell in zip(starts(lines[1]), cells)]
        assert found == list(cells)


def test_a_doubted_accuracy_is_marked_and_its_doubt_is_said():
    doubted = result("pgd40", settings(40, 0.01), 0.3, 0.9, (0.88, 0.917))
    object.__setattr__(doubted, "warnings", ({"name": "gradients", "message": "zero gradients"},))
    lines = accuracy_table([*RESULTS, doubted]).splitlines()
    assert "90.00 !" in lines[-2] and lines[-1] == "! zero gradients"
    assert not any("!" in line for line in accuracy_table(RESULTS).splitlines())


def starts(rule):
    return [i for i, sign in enumerate(rule) if sign == "-" and (i == 0 or rule[i - 1] == " ")]


def test_other_magnitudes_stay_decimal():
    odd = result("pgd7", settings(7, 2.5 * 0.15 / 7), 0.2, 0.5, (0, 1))
    (line,) = accuracy_lines([odd])
    assert line[2] == "0.0535714" and line[-1] == "0.2"


def test_the_spread_of_draws_stands_where_an_interval_would():
    nmi = dataclasses.replace(RESULTS[0], metric="NMI", interval=None, spread=0.0072)
    assert filled(METRIC_COLUMNS, [nmi])[1][0][-1] == "± 0.72 over k-means seeds"


def test_only_runs_of_one_method_are_seeds_of_a_line():
    """Of records alone, two trainings of one seed would be one, and of two seeds one method."""
    names = {"a": "TLA, train_steps 300", "b": "TLA, train_steps 300", "c": "TLA, train_steps 600"}
    measured = [
        dataclasses.replace(RESULTS[1], weights_hash=weights, training_seed=seed, value=value)
        for weights, seed, value in (("a", 0, 0.5), ("b", 1, 0.7), ("c", 0, 0.1))
    ]
    _, found = filled(MEASUREMENT_COLUMNS, seeds_of(measured, names))
    assert [(line[0], line[1], line[6]) for line in found] == [
        ("TLA, train_steps 300", "2", "0.6000"),
        ("TLA, train_steps 600", "1", "0.1000"),
    ]


def test_a_radius_of_a_measurement_has_its_norm():
    threat = {"eps": 0.5, "norm": "l2"}
    measured = [RESULTS[0], RESULTS[1], dataclasses.replace(RESULTS[1], threat_model=threat)]
    _, found = filled(MEASUREMENT_COLUMNS, seeds_of(measured, {}))
    assert [line[4] for line in found] == ["-", "8/255", "0.5 (l2)"]


def test_a_doubted_measurement_is_marked_and_its_doubt_is_said():
    groups = [[RESULTS[0]], [RESULTS[1], dataclasses.replace(RESULTS[1], warnings=DOUBTED)]]
    lines = measurement_table(groups).splitlines()
    assert "0.5000 !" in lines[3] and lines[4:] == ["! zero gradients"]
    assert "!" not in measurement_table(groups[:1])


def test_a_long_title_goes_on_in_the_next_line():
    title = "worst case of 10, over transfer-pgd100 from um-mlp-seed1/transfer-pgd100 from at-mlp"
    rows = with_narrow_titles([(title, "40"), ("clean", "9")])
    assert aligned(("attack", "n"), rows).splitlines() == [
        "attack                                       n",
        "-------------------------------------------  --",
        "worst case of 10, over transfer-pgd100 from  40",
        "  um-mlp-seed1/transfer-pgd100 from at-mlp",
        "clean                                        9",
    ]
