"""The folder of a run that goes on."""

import pytest

from robust_tf.runs.run_folder import RunFolder


def claim(path, steps):
    RunFolder(path).claim({"train_steps": steps, "method": "tla"})


@pytest.fixture
def ended(tmp_path):
    """A run of 4 steps with everything that is made of its weights."""
    run = tmp_path / "run"
    claim(run, 4)
    for name in ("final.keras", "results.jsonl", "checks.jsonl"):
        (run / name).write_text(name)
    for name in ("figures/figure1.png", "adversarial/pgd2.npz"):
        (run / name).parent.mkdir(parents=True)
        (run / name).write_text(name)
    return run


def files(run):
    return {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}


def test_what_was_made_of_the_weights_of_a_shorter_run_keeps_its_steps(ended):
    claim(ended, 8)
    assert files(ended) - {"config.json", "flags.txt"} == {
        "final-step-00000004.keras",
        "results-step-00000004.jsonl",
        "figures-step-00000004/figure1.png",
        "adversarial-step-00000004/pgd2.npz",
        "checks.jsonl",  # knows its weights
    }


def test_the_same_run_again_leaves_everything(ended):
    before = files(ended)
    claim(ended, 4)
    assert files(ended) == before
