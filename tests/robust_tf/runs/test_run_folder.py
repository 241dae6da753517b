"""The folder of a run that goes on."""

import keras
import pytest

from robust_tf.errors import RunError, UserError
from robust_tf.results import jsonl
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.run_identity import RunIdentity


def claim(path, steps):
    RunFolder(path).claim(RunIdentity({"train_steps": steps, "method": "tla"}))


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
    assert files(ended) - {"config.json", "digest.json", "flags.txt"} == {
        "final-step-00000004.keras",
        "results-step-00000004.jsonl",
        "figures-step-00000004/figure1.png",
        "adversarial-step-00000004/pgd2.npz",
        "checks.jsonl",  # knows its weights
    }


def test_a_longer_run_without_checkpoints_is_refused_before_anything_is_renamed(ended):
    RunFolder(ended).log_metrics({"step": 4, "loss": 0.4})
    before = files(ended)
    with pytest.raises(UserError, match="has no checkpoint of the 4 updates in metrics.jsonl"):
        claim(ended, 8)
    assert files(ended) == before and RunFolder(ended).read_flags()["train_steps"] == 4
    claim(ended, 4)  # its end is still there
    (ended / "checkpoints" / "step-00000004").mkdir(parents=True)
    claim(ended, 8)
    assert not (ended / "final.keras").exists()


def test_the_same_run_again_leaves_everything(ended):
    before = files(ended)
    (ended / "config.json.7.partial").touch()
    (ended / ".1.partial").mkdir()  # of an export into the folder that was killed
    claim(ended, 4)
    assert files(ended) == before


@pytest.mark.parametrize(
    "damage", [b"5\n", b"\xff\xfe\x00\n", b'{"loss": 1}\n', b'{"step": 3, "lo']
)
@pytest.mark.filterwarnings("ignore:.*cut off or damaged")
def test_metrics_that_are_none_are_left_out(ended, damage):
    folder, good = RunFolder(ended), [{"step": 2, "loss": 0.5}, {"step": 4, "loss": 0.4}]
    folder.log_metrics(good[0])
    with (ended / "metrics.jsonl").open("ab") as file:
        file.write(damage)
    folder.log_metrics(good[1])
    assert folder.read_metrics() == good
    folder.forget_metrics_after(2)
    assert folder.read_metrics() == good[:1]


def test_metrics_of_two_processes_are_put_in_order(ended):
    folder = RunFolder(ended)
    for step, loss in [(2, 0.5), (4, 0.4), (2, 0.6), (6, 0.3), (4, 0.7)]:
        folder.log_metrics({"step": step, "loss": loss})
    repaired = [{"step": 2, "loss": 0.6}, {"step": 4, "loss": 0.7}, {"step": 6, "loss": 0.3}]
    assert folder.read_metrics() == repaired
    folder.forget_metrics_after(6)
    assert jsonl.read(ended / "metrics.jsonl") == repaired


def test_a_flag_that_the_config_lacks_is_named(ended):
    flags = RunFolder(ended).read_flags()
    assert flags["method"] == "tla" and flags.get("eps") is None
    with pytest.raises(UserError, match="config.json lacks the flag --eps; restore the file"):
        flags["eps"]


@pytest.mark.parametrize("config", ["[]", "5", '{"flags": 5}', "{}", "{", '"flags"', "[" * 9999])
def test_a_config_of_something_else_is_no_run(ended, config):
    (ended / "config.json").write_text(config)
    (ended / "digest.json").unlink()
    with pytest.raises(UserError, match="holds no run"):
        RunFolder(ended).read_flags()


def test_the_best_weights_are_read_or_named_as_damaged(ended):
    network, folder = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)]), RunFolder(ended)
    with pytest.raises(RunError, match="best.keras cannot be read: .*; restore it"):
        folder.load_weights(network, folder.best_weights)
    folder.save_network(network, folder.best_weights)
    folder.load_weights(network, folder.best_weights)
    folder.best_weights.write_bytes(folder.best_weights.read_bytes()[:-100])
    with pytest.raises(RunError, match="best.keras cannot be read: .*; restore it"):
        folder.load_weights(network, folder.best_weights)
