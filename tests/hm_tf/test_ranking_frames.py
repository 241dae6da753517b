"""From the command to the cost of a ranking attack lie few frames."""

import shutil
import traceback

import hm_tf
import robust_tf
from hm_tf import evaluate
from robust_tf.attacks.objective import NetworkObjective


def test_from_the_command_to_the_cost_are_at_most_ten_frames(finished_smoke, tmp_path, monkeypatch):
    """Frames of the two packages, from `evaluate` to the caller of the objective."""
    run = shutil.copytree(finished_smoke, tmp_path / "run")
    houses = tuple(package.__path__[0] for package in (robust_tf, hm_tf))
    whole, stacks = NetworkObjective.values, []

    def counted(self, outputs):
        frames = [f for f in traceback.extract_stack() if f.filename.startswith(houses)]
        names = [frame.name for frame in frames]
        stacks.append(names[names.index("main") :])
        return whole(self, outputs)

    monkeypatch.setattr(NetworkObjective, "values", counted)
    flags = ["--attacks=TMA", "--mode=fixed", "--checks=none"]
    flags += ["--fresh", "--limit_test=40", "--limit_queries=8", "--eval_steps=2"]
    assert evaluate.main(["evaluate", f"--workdir={run}", *flags]) == 0

    assert stacks and max(map(len, stacks)) <= 10, max(stacks, key=len)
