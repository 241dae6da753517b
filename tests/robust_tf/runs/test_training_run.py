"""What a run does around its training."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import robust_tf
from robust_tf.data.examples import Examples
from robust_tf.runs.training_run import TrainingRun, execute
from robust_tf.training import workers
from robust_tf.training.workers import Worker


@pytest.mark.parametrize("index", [0, 1])
def test_of_several_workers_the_chief_alone_reads_the_results(index):
    """On NFS another one may not see them yet, and has no output."""
    read = []
    run = SimpleNamespace(
        strategy=tf.distribute.get_strategy(),
        worker=Worker(index, 2),
        check=lambda: None,
        finished=lambda: True,
        report=lambda: read.append(1),
    )
    assert execute(run) == 0 and len(read) == (index == 0)


@pytest.fixture
def told(monkeypatch):
    """Returns dict what -> digest, of what a worker must have in common with the others."""
    found = {}

    class Agreement:
        def __init__(self, strategy):
            del strategy

        def require_equal(self, digest, what):
            found[what.partition(";")[0]] = digest()

        def of_chief(self, question):
            raise InterruptedError

    monkeypatch.setattr(workers, "Agreement", Agreement)
    return found


@pytest.mark.parametrize("part", ["images", "labels", "held out"])
@pytest.mark.parametrize("encoded", [False, True])
def test_workers_with_other_images_of_the_same_name_differ(told, part, encoded):
    """A data set prepared twice, or cut off in one copy: batches had rows twice, or not at all."""

    def examples(images, labels):
        if encoded:
            packed = np.array([image.tobytes() for image in images] + [None], object)[:-1]
            return Examples(packed, labels, encoded_shape=(2, 2, 1))
        return Examples(images, labels)

    def found(train, labels, held_out):
        info = SimpleNamespace(class_names=("a", "b"), identity=None)
        parts = examples(train, labels), None, examples(held_out, labels)
        run = SimpleNamespace(images=parts, info=info, train_classes=None)
        run.strategy, run.worker = None, Worker(1, 2)
        with pytest.raises(InterruptedError):
            TrainingRun.train(run)
        return told["images and classes"]

    given = {"train": np.zeros([2, 2, 2, 1], np.uint8), "labels": np.array([0, 1], np.int32)}
    given["held_out"] = given["train"].copy()
    before = found(**given)
    assert found(**given) == before
    given[{"images": "train", "held out": "held_out"}.get(part, part)].flat[-1] ^= 1
    assert found(**given) != before


def test_workers_with_other_changes_of_the_same_commit_differ(told, tmp_path, monkeypatch):
    (tmp_path / "robust_tf").mkdir()
    module = tmp_path / "robust_tf" / "__init__.py"
    monkeypatch.setattr(robust_tf, "__file__", str(module))

    def found(text):
        module.write_text(text)
        identity = SimpleNamespace(flagfile="--a=1")
        settings = SimpleNamespace(run_identity=identity)
        TrainingRun._require_same_start(SimpleNamespace(strategy=None, settings=settings))
        return told["code"]

    assert found("a = 1\n") == found("a = 1\n") != found("a = 2\n")
