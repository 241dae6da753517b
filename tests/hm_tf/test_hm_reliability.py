"""Embeddings: a run that is stopped again and again ends bit for bit like one that was not."""

import signal

import numpy as np
import pytest
import reliability

SMOKE = ["--flagfile=flags/hm/smoke.flags"]
CASES = {
    "hm with ics": [],
    "hm, bfloat16": ["--precision=mixed_bfloat16"],
    "hm, held out": ["--held_out=60"],
    "hm, two replicas": ["--strategy=mirrored", "--logical_cpus=2"],
    "free hm": ["--free=4"],
    "none": ["--defense=none"],
    "est": ["--defense=est"],
    "act": ["--defense=act"],
    "minmax": ["--defense=minmax"],
    "ses": ["--defense=ses"],
}


def test_five_kills_and_an_interrupt(finished_smoke, tmp_path):
    plan = [*reliability.stops(1, 5, longest=4), reliability.Stop(signal.SIGINT, moment=2)]
    reliability.survive("hm_tf.train", SMOKE, tmp_path / "run", plan)
    found = reliability.state(tmp_path / "run")
    reliability.assert_same(found, reliability.state(finished_smoke))
    # The state of the destination, beside weights and slots of the optimiser.
    (previous,) = [value for name, value in found["tensors"].items() if "previous_loss" in name]
    assert previous.shape == (2,) and np.all(previous < 2)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_many_kills(case, tmp_path):
    reliability.stop_often("hm_tf.train", case, [*SMOKE, *CASES[case]], tmp_path)
