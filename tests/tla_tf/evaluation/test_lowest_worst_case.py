"""evaluate prints the lowest stored worst case of the same images and network."""

import dataclasses

import numpy as np
import pytest

from robust_tf.results.result import append_results, measured_share, read_results
from robust_tf.threat_model import ThreatModel
from tla_tf import evaluate
from tla_tf.evaluation.run_evaluation import lower_worst_case

ABOUT = {
    "dataset": "digits",
    "split": "test",
    "method": "tla",
    "model": "digits_cnn",
    "training_seed": 0,
    "precision": "float32",
    "seed": 0,
    "weights_hash": "ab",
}


def worst_case(correct, over=("clean", "pgd20"), n=10, eps=0.1, **changed):
    return measured_share(
        {**ABOUT, **changed},
        "accuracy",
        np.arange(n) < correct,
        attack="worst case",
        settings={"over": list(over)},
        threat_model=ThreatModel(eps),
    )


def test_the_lowest_is_quoted_with_its_attacks(tmp_path):
    now = worst_case(6, ["clean", "fgsm"])
    assert lower_worst_case(now, tmp_path) == ""
    append_results(tmp_path / "results.jsonl", [worst_case(5), worst_case(3), worst_case(4), now])
    line = lower_worst_case(now, tmp_path)
    assert line == ("lowest stored worst case: 30.00 % (n=10, over clean, pgd20); quote this one")
    assert lower_worst_case(worst_case(3), tmp_path) == ""


@pytest.mark.parametrize(
    "other",
    [
        worst_case(3, n=9),
        worst_case(3, eps=0.2),
        worst_case(3, weights_hash="of another network"),
        worst_case(3, dataset="mnist"),
        worst_case(3, precision="mixed_bfloat16"),
        dataclasses.replace(worst_case(3), attack="pgd20"),
    ],
)
def test_numbers_of_other_conditions_are_no_worst_case_of_this(other, tmp_path):
    append_results(tmp_path / "results.jsonl", [other])
    assert lower_worst_case(worst_case(6), tmp_path) == ""


@pytest.mark.usefixtures("eager")
def test_the_command_prints_it(unevaluated, capsys):
    command = ["evaluate", f"--workdir={unevaluated}", "--limit_test=20", "--attacks=fgsm"]
    assert evaluate.main(command) == 0
    assert "lowest stored" not in capsys.readouterr().out
    path = unevaluated / "results.jsonl"
    last = read_results(path)[-1]
    assert last.attack == "worst case" and last.value > 0
    append_results(path, [dataclasses.replace(last, value=0.0, correct=0)])
    assert evaluate.main(command) == 0
    said = capsys.readouterr().out
    assert "lowest stored worst case: 0.00 % (n=20, over clean, fgsm); quote this one" in said
