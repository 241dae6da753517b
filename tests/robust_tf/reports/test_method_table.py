"""The table of methods, on records made by hand."""

from robust_tf.evaluation.records import Result
from robust_tf.reports.method_table import method_table


def record(method, seed, attack, value):
    return Result(
        dataset="digits",
        split="test",
        n=200,
        method=method,
        model="net",
        training_seed=seed,
        attack=attack,
        attack_settings={},
        threat_model={},
        metric="accuracy",
        value=value,
        correct=int(200 * value),
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
