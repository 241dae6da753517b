"""Embeddings: a run that is stopped again and again ends bit for bit like one that was not."""

import signal

import numpy as np
import pytest
import reliability

from hm_tf.options import DEFENSES

SMOKE = ["--flagfile=flags/hm/smoke.flags"]
# Every defense in both precisions, and what else a state is made of.
CASES = {
    f"{defense}, {precision}": [f"--defense={defense}", f"--precision={precision}"]
    for defense in DEFENSES
    for precision in ("float32", "mixed_bfloat16")
} | {
    "hm, held out": ["--held_out=60"],
    "hm, two replicas": ["--strategy=mirrored", "--logical_cpus=2"],
    "hm, averages and AWP": ["--ema=0.5", "--awp=0.01"],
    "free hm": ["--free=4"],
}


def test_an_interrupt_and_a_kill(finished_smoke, tmp_path):
    """More stops of a smoke run are in test_tla_reliability.py; the code of runs is the same."""
    plan = [reliability.Stop(signal.SIGINT, event=10), reliability.Stop(event=15)]
    reliability.survive("hm_tf.train", [*SMOKE, "--save_every_minutes=0"], tmp_path / "run", plan)
    found = reliability.state(tmp_path / "run")
    reliability.assert_same(found, reliability.state(finished_smoke))
    # The state of the destination, beside weights and slots of the optimiser.
    (previous,) = [value for name, value in found["tensors"].items() if "previous_loss" in name]
    assert previous.shape == (2,) and np.all(previous < 2)


@pytest.mark.slow
@pytest.mark.parametrize("number, case", enumerate(CASES, start=20))
def test_many_kills(number, case, tmp_path):
    reliability.stop_often("hm_tf.train", case, number, [*SMOKE, *CASES[case]], tmp_path)
