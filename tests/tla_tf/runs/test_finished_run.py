"""A finished run: where its images are, and the ball of an attack on it."""

import pytest

from robust_tf.errors import UserError
from robust_tf.runs.run_folder import RunFolder
from robust_tf.threat_model import ThreatModel
from tla_tf.runs.finished_run import FinishedRun, ball

L2, LINF = {"eps": "0.5", "norm": "l2"}, {"eps": "8/255", "norm": "linf"}


def test_it_is_the_ball_of_the_training_unless_flags_give_another():
    assert ball(L2) == ThreatModel(0.5, "l2")
    assert ball(L2, eps=2.0) == ThreatModel(2.0, "l2")
    assert ball(L2, 4 / 255, "linf") == ThreatModel("4/255")
    with pytest.raises(UserError, match="--norm=linf needs --eps: 0.5 is a radius in l2"):
        ball(L2, norm="linf")
    with pytest.raises(UserError, match="--norm=l2 needs --eps: 8/255 is a radius in linf"):
        ball(LINF, norm="l2")
    with pytest.raises(UserError, match="--eps=8: pixels .* did you mean 8/255"):
        ball(LINF, eps=8.0)


def test_images_that_are_elsewhere_now(tmp_path, monkeypatch):
    flags = {"dataset": "mnist", "data_dir": "nowhere", "method": "at"}
    monkeypatch.setattr(RunFolder, "read_flags", lambda self: flags)
    with pytest.raises(UserError, match="training read its images from nowhere, .*--data_dir=DIR"):
        FinishedRun(tmp_path)
    with pytest.raises(UserError, match="--data_dir=typed is not a folder"):
        FinishedRun(tmp_path, "typed")
