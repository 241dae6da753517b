"""The command and the library call are one evaluation, and few frames lie above the loss."""

import json
import traceback

import numpy as np

import robust_tf
import tla_tf
from robust_tf import data
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.evaluation.robust_accuracy import robust_accuracy
from robust_tf.results.result import read_results
from tla_tf import evaluate
from tla_tf.runs.finished_run import FinishedRun

ATTACKS = ["fgsm", "2pgd2", "mim2"]


def test_the_command_equals_the_library_call_to_the_image(unevaluated):
    flags = [f"--workdir={unevaluated}", f"--attacks={','.join(ATTACKS)}", "--batch_size=64"]
    assert evaluate.main(["evaluate", *flags, "--limit_test=120"]) == 0
    run, test = FinishedRun(unevaluated), data.open("digits").load("test", 120)
    found = robust_accuracy(
        run.network(),
        test.images,
        test.labels,
        attack=ATTACKS,
        eps=run.flags["eps"],
        progress=False,
    )
    stored = {}
    for path in unevaluated.glob("evaluation/*.jsonl"):
        first, *batches = map(json.loads, path.read_text().splitlines())
        correct = stored.setdefault(first["identity"]["attack"], np.ones(len(test), bool))
        for batch in batches:
            correct[batch["rows"]] &= batch["correct"]
    np.testing.assert_array_equal(found.clean, stored["clean"])
    for name in ATTACKS:
        np.testing.assert_array_equal(found.attacks[name], stored[name])
    *_, worst = read_results(unevaluated / "results.jsonl")
    assert worst.correct == found.correct.sum() and 0 < worst.value < 1
    assert worst.interval == found.interval


def test_from_the_command_to_the_loss_are_at_most_ten_frames(unevaluated, monkeypatch):
    """Frames of the two packages, from the command's body to the caller of the objective."""
    houses = tuple(package.__path__[0] for package in (robust_tf, tla_tf))
    whole, stacks = CrossEntropy.values, []

    def counted(self, logits):
        frames = [f for f in traceback.extract_stack() if f.filename.startswith(houses)]
        names = [frame.name for frame in frames]
        stacks.append(names[names.index("main") :])
        return whole(self, logits)

    monkeypatch.setattr(CrossEntropy, "values", counted)
    flags = [f"--workdir={unevaluated}", "--attacks=pgd2", "--limit_test=20"]
    assert evaluate.main(["evaluate", *flags]) == 0
    assert stacks and max(map(len, stacks)) <= 10, max(stacks, key=len)
