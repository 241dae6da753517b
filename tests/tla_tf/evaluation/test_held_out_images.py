"""Which training images are held out: of every class its share, and none that is trained on."""

import numpy as np
import pytest

from robust_tf import data
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from tla_tf.evaluation.held_out_images import split_held_out
from tla_tf.options import TRAIN
from tla_tf.train import training_run


def labelled(labels):
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return Examples(images, np.array(labels, np.int32))


def numbers(examples):
    return examples.images.ravel().tolist()


# Classes in turn as in a folder of images: 0, 1, 0, 1, ..., then what the bigger one has left.
IN_TURN = [0, 1] * 25 + [0] * 75
ORDERS = {"in turn": IN_TURN, "sorted": sorted(IN_TURN), "reversed": IN_TURN[::-1]}


@pytest.mark.parametrize("labels", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("count, expected", [(30, [24, 6]), (5, [4, 1]), (100, [80, 20])])
def test_every_class_in_proportion(labels, count, expected):
    train, held_out = split_held_out(labelled(labels), count)
    assert np.bincount(held_out.labels).tolist() == expected
    assert sorted(numbers(train) + numbers(held_out)) == list(range(125))
    for part in (train, held_out):
        assert numbers(part) == sorted(numbers(part)), "in the order of the data"
        assert part.labels.tolist() == [labels[i] for i in numbers(part)]


def test_shares_are_rounded_up_or_down():
    labels = np.random.default_rng(0).integers(0, 7, 200)
    for count in (1, 3, 10, 77, 150):
        _, held_out = split_held_out(labelled(labels), count)
        shares = np.bincount(labels) * count / 200
        found = np.bincount(held_out.labels, minlength=7)
        assert len(held_out) == count and np.all(np.abs(found - shares) < 1)


@pytest.mark.parametrize(
    "labels, count, said",
    [
        ([0, 1, 0, 1], 4, "only 4 training images"),
        ([0, 1, 0, 0], 3, "leaves 1 class without one to train on"),
        ([0, 1, 2], 2, "leaves 2 classes without one to train on"),
    ],
)
def test_every_class_keeps_images_to_train_on(labels, count, said):
    with pytest.raises(UserError, match=said):
        split_held_out(labelled(labels), count)


def training_images(*typed):
    return training_run(TRAIN.parse(list(typed))).training_images()


def test_a_limit_takes_no_held_out_image():
    everything = data.open("digits").load("train")
    expected, held_out = split_held_out(everything, 100)
    train, kept = training_images("--held_out=100", "--limit_train=300")
    np.testing.assert_array_equal(kept.images, held_out.images)
    np.testing.assert_array_equal(train.images, expected.images[:300])
    together = np.concatenate([expected.images, held_out.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, everything.images))


def test_a_validation_split_that_is_too_small(monkeypatch):
    sizes = {"train": 8, "validation": 5}
    monkeypatch.setattr(
        data.Dataset,
        "load",
        lambda _, split, limit, **kind: labelled(range(sizes[split])).take(limit),
    )
    assert [len(part) for part in training_images("--dataset=mnist", "--held_out=4")] == [8, 4]
    with pytest.raises(UserError, match="--held_out=6: the validation split of mnist has only 5"):
        training_images("--dataset=mnist", "--held_out=6")
