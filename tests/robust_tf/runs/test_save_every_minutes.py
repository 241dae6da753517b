"""A checkpoint inside an interval: a run that is killed there loses nothing and ends the same."""

import json
import pathlib

from robust_tf.runs.checkpoints import Checkpoints
from tla_tf import train

SMOKE = f"--flagfile={pathlib.Path(__file__).parents[3] / 'flags' / 'tla' / 'smoke.flags'}"


def metrics(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_a_run_goes_on_from_the_middle_of_an_interval(tmp_path, monkeypatch, capsys):
    save = Checkpoints.save

    def save_and_die(self, step, *more):
        save(self, step, *more)
        if step == 6:
            raise KeyboardInterrupt

    flags = ["train", SMOKE, "--eval_attacks=clean", "--save_every_minutes=0"]
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_die)
        assert train.main([*flags, f"--workdir={tmp_path / 'killed'}"]) == 130
    assert train.main([*flags, f"--workdir={tmp_path / 'killed'}"]) == 0
    assert "resuming after step 6 of 8" in capsys.readouterr().out
    whole = [*flags[:-1], f"--workdir={tmp_path / 'whole'}"]
    assert train.main(whole) == 0
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
