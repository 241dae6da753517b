"""What the commands say of the data is what they use: limits, held-out and skipped images."""

import types

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from tla_tf import evaluate, train
from tla_tf.options import TRAIN


def training_run(*arguments):
    recipe = ["--batch_size=64", "--train_steps=3", "--checkpoint_every=3"]
    options = TRAIN.parse([*recipe, "--eps=0.1", "--attack_steps=2", *arguments])
    run = train.training_run(options)
    run.threat_model = run.folder = types.SimpleNamespace(path="run")
    run.model = types.SimpleNamespace(trainable_variables=[])
    run.strategy = types.SimpleNamespace(num_replicas_in_sync=1)
    return run


@pytest.mark.parametrize(
    "arguments, counts, passes",
    [
        ([], "train 1,437, test 360 images", "0.1"),
        (
            ["--limit_train=200", "--held_out=100", "--limit_test=50"],
            "train 200, test 50, held-out 100 images",
            "1.0",
        ),
        (["--held_out=1245"], "train 192, test 360, held-out 1,245 images", "1.0"),
    ],
    ids=["all", "limits", "held out"],
)
def test_the_plan_counts_the_images_that_are_used(arguments, counts, passes, monkeypatch):
    run, reads = training_run(*arguments), []
    load = run.dataset.load
    monkeypatch.setattr(run.dataset, "load", lambda *a, **kw: reads.append(a) or load(*a, **kw))
    said = run.plan()
    assert said.startswith(f"digits: {counts}, from scikit-learn")
    assert f"(192 images, {passes} passes)" in said
    run.images
    assert len(reads) == 2, "each split once"


def test_what_one_may_not_expect_is_said():
    run = training_run("--limit_test=10", "--attack_step_size=0.01")
    assert "replicas" not in run.plan() and "no merit" not in run.plan()
    run.strategy.num_replicas_in_sync = 2
    run.images[1].labels[:] = [7] * 3 + [1] * 7
    said = run.plan()
    assert "--attack_steps=2 of 0.01 do not reach --eps=0.1" in said
    assert "3 updates of 64 images on 2 replicas" in said
    assert "70 % of the test images are of class 1: no merit to get as far" in said


def test_skipped_images_do_not_count(tmp_path):
    png = tf.io.encode_png(np.zeros([4, 4, 3], np.uint8)).numpy()
    for name in ("train/a/1", "train/a/2", "train/b/1", "test/a/1", "test/b/1"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if name == "train/a/2" else png)
    where = "--dataset=folder", f"--data_dir={tmp_path}", "--on_bad_image=skip"
    assert training_run(*where).plan().startswith("folder: train 2, test 2 images, from")


@pytest.mark.usefixtures("eager")
def test_evaluation_counts_the_images_that_are_attacked(unevaluated, capsys):
    command = ["evaluate", f"--workdir={unevaluated}", "--attacks=clean", "--limit_test=60"]
    assert evaluate.main(command) == 0
    assert "digits: test 60 images, from scikit-learn" in capsys.readouterr().out


def test_a_copy_is_announced_before_it_is_read(tmp_path, capsys):
    data.open("digits").announce()
    assert capsys.readouterr().out == ""  # the digits are at hand
    data.open("cifar10", tmp_path).announce()
    assert capsys.readouterr().out == "reading cifar10, download of 162 MB ahead\n"
