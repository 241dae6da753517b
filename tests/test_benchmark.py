"""tools/benchmark.py: every measurement at its smallest, in the rows that it prints."""

import importlib
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

TOOL = pathlib.Path(__file__).parents[1] / "tools" / "benchmark.py"
TLA = ["--flagfile=flags/tla/smoke.flags", "--optimizer=momentum"]
METHODS = ("at", "tla, pool=batch")
QUARTILES = r"\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)"
# arguments -> what the rows of the result begin with
CASES = {
    "training": (
        ["training", *TLA],
        [*METHODS, "PGD step / bare pass"],
    ),
    "training of hm": (
        ["training", "--flagfile=flags/hm/smoke.flags", "--updates=2"],
        ["HM step / its bare passes"],
    ),
    "parts of a recipe of hm": (
        ["training", "--flagfile=flags/hm/smoke.flags", "--rows=hm, --awp;hm, n_fgsm"],
        # Forward passes of the batch: 1 clean, 3 a step on 1.5 times its images, 7.5 of training.
        ["hm | 14.5 | 1.00", "hm, --awp | 22 | 1.52", "hm, n_fgsm | 11.5 | 0.79"],
    ),
    "loop": (["loop", *TLA, "--updates=3"], ["bare step / loop"]),
    "input": (["input", *TLA], ["step / batch"]),
    "precision": (["precision", *TLA], ["float32 / mixed_bfloat16"]),
    "overhead": (["overhead", *TLA], ["metrics", "guards", "checkpoints", "together"]),
    "attacks": (
        ["attacks", *TLA, "--train_steps=2", "--restarts=2", "--images=16"],
        ["PGD step / bare pass", "PGD in float32 / in bfloat16"]
        + ["cleverhans / ours, um", "cleverhans / ours, at"],
    ),
    "retrieval": (
        ["retrieval", "--images=200", "--width=8", "--classes=60", "--queries=50"]
        + ["--big_classes=4", "--nmi_images=40"],
        ["all metrics / matrix product, 60 classes", "all metrics / matrix product, 4 classes"],
    ),
    "ranking_attacks": (
        ["ranking_attacks", "--model=c2f2", "--batch_size=2", "--steps=1", "--galleries=1000"]
        + ["--attacks=QA+"],
        ["QA+ step / bare pass, gallery of 1000"],
    ),
}


@pytest.fixture
def tool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(TOOL.parent)
    monkeypatch.chdir(tmp_path)
    return importlib.import_module("benchmark")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("arguments, rows", CASES.values(), ids=CASES)
def test_prints_its_rows(arguments, rows, tool, capsys, monkeypatch):
    restarts, rounds, tla_training = (
        importlib.import_module(f"benchmarks.{file}")
        for file in ("restarts", "rounds", "tla_training")
    )
    without_warmups = (0, *rounds.measure.__defaults__[1:])
    monkeypatch.setattr(rounds.measure, "__defaults__", without_warmups)
    monkeypatch.setattr(restarts, "BISECTIONS", 1)
    monkeypatch.setattr(restarts, "STEPS", 3)
    some = {name: tla_training.METHODS[name] for name in METHODS}
    monkeypatch.setattr(tla_training, "METHODS", some)
    assert tool.main([*arguments, "--rounds=1"]) == 0
    printed = capsys.readouterr().out
    for row in rows:
        assert re.search(rf"^\| {re.escape(row)} \|.* {QUARTILES} \|", printed, re.MULTILINE), row
    if arguments[0] == "loop":
        seconds = r"\d+\.\d s"
        assert re.search(f"with all compilation: bare step {seconds}, loop {seconds}\n", printed)
        assert re.search(r"^.+: \S+ TFLOP/s, \d+ % of the \S+ TFLOP/s", printed, re.MULTILINE)


@pytest.mark.usefixtures("eager")
def test_autoattack_prints_both_versions_and_the_light(tool, capsys, monkeypatch, tmp_path):
    from robust_tf.attacks import auto_attack
    from robust_tf.attacks.apgd import APGD
    from tla_tf import train

    short = dict.fromkeys(auto_attack.MEMBERS, lambda ball: APGD(ball, "ce", steps=1))
    monkeypatch.setattr(auto_attack, "MEMBERS", short)
    run = tmp_path / "run"
    given = ["--train_steps=1", "--eval_attacks=clean", f"--workdir={run}"]
    assert train.main(["train", *TLA, *given]) == 0
    given = [f"--workdir={run}", "--images=12", "--ends=logits,softmax", "--whole_batches"]
    assert tool.main(["autoattack", *given]) == 0
    printed = capsys.readouterr().out
    row = r"\| linf eps=0.15 \| 12 \| [\d.]+ \| [\d.]+ \| \+0.00 \|"
    assert re.search(rf"^\| run \(digits\), logits {row} ", printed, re.MULTILINE)
    assert re.search(rf"^\| run \(digits\), softmax {row} red: ", printed, re.MULTILINE)
    assert len(re.findall(r"\| [\d.]+ s: 1/[\d.]+ \| - \|$", printed, re.MULTILINE)) == 4
    assert tool.main(["autoattack", "--ends=none"]) == 2
    assert tool.main(["autoattack", f"--workdir={run}", "--norm=l2"]) == 2  # which radius?


def test_serving_prints_both_clocks(tool, capsys, monkeypatch):
    serving = importlib.import_module("benchmarks.serving")
    monkeypatch.setattr(serving, "NETWORKS", {"mlp": (8, 8, 1)})
    monkeypatch.setattr(serving, "BATCHES", {2: 1})
    assert tool.main(["serving", "--rounds=1"]) == 0
    printed = capsys.readouterr().out
    row = rf"^\| serving_default / bare network \| {QUARTILES} \| <= 1.05 \|"
    assert len(re.findall(row, printed, re.MULTILINE)) == 2
    assert "mlp, batch 2, CPU time" in printed and "mlp, batch 2, wall time" in printed


def test_a_served_search_finds_the_rows_of_brute_force(tool, capsys):
    assert tool.main(["search", "--images=100", "--rounds=1"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("rows of another order than by brute force: 0\n") == 2
    assert "16 queries" in printed


def test_rows_are_timed_in_turn(tool):
    from benchmarks import rounds

    order = []
    rows = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = rounds.measure(rows, rounds=2, warmups=1)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert {name: len(row) for name, row in seconds.items()} == {"a": 2, "b": 2}
    ticks, order[:] = iter([0, 6, 10, 20]), []
    seconds = rounds.measure(rows, 1, warmups=0, clock=lambda: next(ticks), calls=2)
    assert order == ["a", "a", "b", "b"] and seconds == {"a": 3, "b": 5}
    assert rounds.quartiles(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == "3.00 (2.00 to 4.00)"


def test_peak_memory_sees_what_was_freed_again(tool):
    from benchmarks.peak_memory import peak_memory

    for _ in range(2):  # the first does not hide the second
        peak = peak_memory(lambda: np.ones(2**22))
        assert peak is None or 30 * 2**20 < peak < 60 * 2**20


def test_mines_in_a_separate_pool_without_attack(tool):
    from benchmarks.tla_training import mining

    from robust_tf import data
    from robust_tf.models import registry as models
    from tla_tf.defenses.negatives import NegativeSelection
    from tla_tf.defenses.triplet_adversarial import TripletAdversarial

    info = data.open("digits").info
    weights = {"triplet_weight": 1.0, "norm_weight": 0.0, "margin": 0.1}
    network, selection = models.get("mlp", info), NegativeSelection()
    model = TripletAdversarial(network, eps=0.1, negatives=selection, pool="separate", **weights)
    pool = np.stack([np.full([8, 8, 1], i / 10, np.float32) for i in range(10)])
    images, labels = pool[:2], np.array([0, 1], np.int32)
    batch = {"image": images, "label": labels, "step": np.zeros(2, np.int64)}
    pool = pool.reshape(2, 5, 8, 8, 1)
    batch.update(pool=pool, pool_label=np.array([[0, 1, 2, 3, 4]] * 2, np.int32))
    mined = mining(model, tf_tensors(batch))()
    np.testing.assert_array_equal(mined["adversarial"], images)
    assert mined["valid"].all() and (mined["negative"] != images).any(axis=(1, 2, 3)).all()


def tf_tensors(batch):
    import tensorflow as tf

    return tf.nest.map_structure(tf.constant, batch)


def test_counts_the_steps_of_an_attack(tool):
    import tensorflow as tf
    from benchmarks.hm_training import ObservedAttack

    from robust_tf.attacks.objective import Objective
    from robust_tf.attacks.pgd import PGD
    from robust_tf.threat_model import ThreatModel

    class Saturated(Objective):
        def __call__(self, x):
            return tf.reduce_sum(x, axis=1)

        def saturated(self, mean, previous):
            return mean > 0.55

    images = tf.fill([1, 1], 0.5)
    for stops, steps in ((True, 2), (False, 5)):
        attack = ObservedAttack(PGD(ThreatModel(0.4), 5, 0.1, random_start=False), stops)
        tf.function(attack.ascend, autograph=False)(Saturated(), images)
        assert attack.steps.numpy() == steps


def test_small_classes_have_two_images_and_more(tool):
    from benchmarks.retrieval import small_classes

    sizes = np.bincount(small_classes(1000, 190, np.random.default_rng(0)))
    assert len(sizes) == 190 and sizes.sum() == 1000 and 2 <= sizes.min() and sizes.max() <= 12


@pytest.mark.parametrize(
    "flag, file",
    [
        ("--flagfile=flags/hm/mnist.flags", "hm_training"),
        ("--flagfile=flags/tla/mnist.flags", "tla_training"),
        ("--data_dir=/data/hm/tfds", "tla_training"),
    ],
)
def test_a_flagfile_chooses_the_package_no_other_folder_does(tool, flag, file):
    assert tool.commands.file_of("training", [flag]) == file


def test_an_unknown_name_is_a_mistake(tmp_path):
    command = [sys.executable, TOOL, "speed"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "tools/benchmark.py attacks" in result.stderr


def test_mistakes_in_flags(tool, capsys):
    for arguments, said in (
        (["ranking_attacks", "--attacks=QB"], "QA+"),
        (["ranking_attacks", "--galleries=ten"], "'ten'"),
        (["attacks", "--dataset=cifar10"], "--data_dir"),
        (["training", "--flagfile=flags/hm/smoke.flags", "--defense=act", "--ics=0"], "act"),
        (["training", "--flagfile=flags/hm/smoke.flags", "--rows=hm;awp"], "'awp'"),
    ):
        assert tool.main(arguments) == 2
        assert said in capsys.readouterr().err
