"""The table of methods, on records made by hand."""

from robust_tf.reports.method_table import method_table
from robust_tf.results.result import Result


def record(method, seed, attack, value, n=200, eps=None, over=()):
    return Result(
        dataset="digits",
        split="test",
        n=n,
        method=method,
        model="net",
        training_seed=seed,
        attack=attack,
        attack_settings={"over": list(over)} if over else {},
        threat_model={"eps": eps, "norm": "linf"} if eps else {},
        metric="accuracy",
        value=value,
        correct=int(n * value),
        interval=(0.0, 1.0),
        precision="float32",
        seed=0,
        weights_hash="",
        versions={},
    )


def test_mean_and_spread_over_seeds():
    results = [
        record("um", 0, "clean", 0.5),  # repeated below: the later one counts
        record("um", 0, "clean", 0.9),
        record("um", 1, "clean", 0.8),
        record("at", 0, "clean", 0.7),
        record("at", 0, "pgd20", 0.25),
    ]
    lines = method_table(results).splitlines()
    assert lines[0] == "| method | model | seeds | n | clean | pgd20 |"
    assert lines[2] == "| um | net | 2 | 200 | 85.00 ± 7.07 | - |"
    assert lines[3] == "| at | net | 1 | 200 | 70.00 | 25.00 |"


def test_other_images_are_another_row_and_missing_seeds_are_said():
    results = [
        *(record("at", seed, "pgd20", 0.25) for seed in (0, 1)),
        record("at", 0, "fab", 0.2),
        record("at", 0, "pgd20", 0.3, n=5000),
    ]
    lines = method_table(results).splitlines()
    assert lines[2:] == [
        "| at | net | 2 | 200 | 25.00 ± 0.00 | 20.00 (1 of 2 seeds) |",
        "| at | net | 1 | 5,000 | 30.00 | - |",
    ]


def test_another_radius_and_a_worst_case_over_others_are_other_columns():
    results = [
        record("at", 0, "clean", 0.9),
        record("at", 0, "pgd20", 0.68, eps=0.15),
        record("at", 0, "worst case", 0.12, eps=0.15, over=["clean", "standard"]),
        record("at", 0, "pgd20", 0.95, eps=8 / 255),
        record("at", 0, "worst case", 0.68, eps=0.15, over=["clean", "fgsm", "pgd20"]),
    ]
    header, _, row = method_table(results).splitlines()
    assert header.split(" | ")[4:] == [
        "clean",
        "pgd20, linf eps 0.15",
        "worst case of 2, linf eps 0.15",
        "pgd20, linf eps 8/255",
        "worst case of 3, linf eps 0.15 |",
    ]
    assert row.split(" | ")[4:] == ["90.00", "68.00", "12.00", "95.00", "68.00 |"]
