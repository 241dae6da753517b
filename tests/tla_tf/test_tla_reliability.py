"""Classifiers: a run that is stopped again and again ends bit for bit like one that was not."""

import json
import signal

import pytest
import reliability

from tla_tf.options import METHODS

SMOKE = ["--flagfile=flags/tla/smoke.flags"]
# Every defense in both precisions, and what else a state is made of.
CASES = {
    f"{method}, {precision}": [f"--method={method}", f"--precision={precision}"]
    for method in METHODS
    for precision in ("float32", "mixed_bfloat16")
} | {
    "at, best of held-out": ["--method=at", "--held_out=60", "--select=best"],
    "tla, two replicas": ["--method=tla", "--strategy=mirrored", "--logical_cpus=2"],
    "at, averages and AWP": ["--method=at", "--ema=0.5", "--schedule=onecycle", "--awp=0.01"],
    "tla, save_every_minutes=0": ["--method=tla", "--save_every_minutes=0"],
}


def test_three_kills_and_a_sighup_of_a_run_with_all_parts(smoke, tmp_path):
    """Averages, perturbed weights, schedule, growing radius; with a state after every update.

    So the run goes on in the middle of an interval, too.
    """
    parts = ["--ema=0.5", "--awp=0.01", "--schedule=onecycle", "--inner_attack=n_fgsm"]
    parts += ["--eps_warmup_steps=7", "--save_every_minutes=0", "--eval_attacks=clean"]
    plan = reliability.stops_of_a_smoke_run(signal.SIGHUP)
    reliability.survive("tla_tf.train", [*SMOKE, *parts], tmp_path / "run", plan)
    assert smoke(*parts, f"--workdir={tmp_path / 'whole'}") == 0
    found, expected = (reliability.state(tmp_path / name) for name in ("run", "whole"))
    reliability.assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("number, case", enumerate(CASES))
def test_many_kills(number, case, tmp_path):
    arguments = [*SMOKE, "--eval_attacks=clean", *CASES[case]]
    reliability.stop_often("tla_tf.train", case, number, arguments, tmp_path)


@pytest.mark.usefixtures("eager")
def test_a_longer_run_counts_no_seconds_twice(smoke, tmp_path):
    """The last line of a run may be inside an interval, which the longer run finishes."""
    flags = ["--method=tla_sa", "--checkpoint_every=2", "--eval_attacks=clean"]
    assert smoke(*flags, f"--workdir={tmp_path}", "--train_steps=3") == 0
    interval = json.loads((tmp_path / "checkpoints/step-00000003/interval.json").read_text())
    assert interval["seconds"] == 0
