"""Batches are a pure function of seed and step, and what they hold is what they claim."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from forked import ran

from robust_tf import data
from robust_tf.data import pipeline
from robust_tf.data.augment import Augment
from robust_tf.data.examples import Examples
from robust_tf.evaluation.attack_loop import images_of

DIGITS = data.open("digits").load("train")
PLAIN = data.open("digits").info
INFO = dataclasses.replace(PLAIN, augment=Augment(pad=1, flip=True))
BATCH = 16


def numbered(count=24, classes=3):
    """Images whose pixels are their index, so that a batch tells which images it holds."""
    images = np.broadcast_to(np.arange(count)[:, None, None, None], [count, 8, 8, 1])
    return Examples(images.astype(np.uint8), (np.arange(count) % classes).astype(np.int32))


def batches(examples=DIGITS, info=INFO, batch_size=BATCH, seed=0, stop_step=3, **settings):
    data = pipeline.train_dataset(
        examples, info, batch_size=batch_size, seed=seed, stop_step=stop_step, **settings
    )
    return list(data.as_numpy_iterator())


def indices(images):
    return np.rint(images[..., 0, 0, 0] * 255).astype(int)


def assert_same(first, second):
    assert len(first) == len(second)
    for one, two in zip(first, second):
        tf.nest.map_structure(np.testing.assert_array_equal, one, two)


def test_spec_is_static_and_holds_what_was_asked_for():
    data = pipeline.train_dataset(DIGITS, INFO, batch_size=4, seed=0, stop_step=1, pool_mul=3)
    spec = {name: (tuple(s.shape), s.dtype) for name, s in data.element_spec.items()}
    assert spec == {
        "image": ((4, 8, 8, 1), tf.float32),
        "label": ((4,), tf.int32),
        "step": ((4,), tf.int64),
        "positive": ((4, 8, 8, 1), tf.float32),
        "pool": ((4, 3, 8, 8, 1), tf.float32),
        "pool_label": ((4, 3), tf.int32),
    }
    assert set(batches(streams=())[0]) == {"image", "label", "step"}
    with pytest.raises(ValueError, match="negative.*allowed: positive, pool"):
        batches(streams=("negative",))


def test_any_start_step_continues_the_uninterrupted_run():
    whole = batches(stop_step=200, pool_mul=2)
    assert [batch["step"][0] for batch in whole] == list(range(200))
    for start in (1, 89, 90, 199):  # 1437 / 16: the first epoch ends inside batch 89
        assert_same(whole[start:], batches(start_step=start, stop_step=200, pool_mul=2))


def test_seed_changes_every_stream():
    one, two = batches(seed=0)[0], batches(seed=1)[0]
    for name in ("image", "positive", "pool"):
        assert (one[name] != two[name]).any()


def test_streams_do_not_depend_on_which_others_are_asked_for():
    alone = batches(streams=())
    assert_same(alone, [{name: b[name] for name in alone[0]} for b in batches()])


def test_labels_belong_to_their_images_and_epochs_are_complete():
    examples = numbered()
    run = batches(examples, PLAIN, batch_size=5, stop_step=24, pool_mul=2)
    anchor, positive, pool = (
        np.concatenate([indices(b[name]).ravel() for b in run])
        for name in ("image", "positive", "pool")
    )
    labels = np.concatenate([b["label"] for b in run])
    np.testing.assert_array_equal(labels, anchor % 3)
    np.testing.assert_array_equal(positive % 3, anchor % 3)
    np.testing.assert_array_equal(np.concatenate([b["pool_label"].ravel() for b in run]), pool % 3)
    for stream in (anchor, positive, pool):
        for epoch in stream.reshape(-1, 24):
            np.testing.assert_array_equal(np.sort(epoch), np.arange(24))


def test_pool_is_independent_of_the_anchors():
    run = batches(numbered(200), PLAIN, batch_size=20, stop_step=500)
    same = [np.mean(indices(b["image"]) == indices(b["pool"])[:, 0]) for b in run]
    assert np.mean(same) == pytest.approx(1 / 200, abs=0.003)


def test_thousand_batches_of_positives_share_the_label():
    # the label is written into the pixels, so that the positives' labels can be read back
    images = np.broadcast_to(DIGITS.labels[:, None, None, None], DIGITS.images.shape)
    examples = Examples(images.astype(np.uint8), DIGITS.labels)
    settings = {"batch_size": 8, "stop_step": 1000, "streams": ("positive",)}
    for batch in batches(examples, PLAIN, **settings):
        np.testing.assert_array_equal(indices(batch["positive"]), batch["label"])


def test_augmentation_differs_between_images_steps_and_streams():
    white = Examples(np.full([4, 8, 8, 1], 255, np.uint8), np.zeros(4, np.int32))
    info = dataclasses.replace(INFO, augment=Augment(pad=4))
    run = batches(white, info, batch_size=8, stop_step=2)
    crops = {
        (name, step): batch[name].tobytes()
        for step, batch in enumerate(run)
        for name in ("image", "positive", "pool")
    }
    assert len(set(crops.values())) == 6
    assert len({image.tobytes() for image in run[0]["image"]}) > 4
    assert {image.max() for image in run[0]["image"]} == {1.0}


def test_eval_images_are_those_of_their_places():
    places = [5, 0, 1400, 5]
    expected = DIGITS.images[places].astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(pipeline.eval_images(DIGITS)(tf.constant(places)), expected)


def test_encoded_images_give_the_same_batches():
    few = DIGITS.take(40)
    files = [tf.io.encode_png(image).numpy() for image in few.images]
    encoded = Examples(np.array(files, object), few.labels, (8, 8, 1))
    assert encoded.take(3).image_shape == few.image_shape
    assert_same(batches(few), batches(encoded))
    np.testing.assert_array_equal(*(images_of(e, slice(None)) for e in (few, encoded)))


def divide_between_two():
    """Runs in a process of its own, since the processor is divided before TensorFlow runs."""

    def make():
        return pipeline.train_dataset(DIGITS, INFO, batch_size=8, seed=0, stop_step=5, pool_mul=3)

    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    steps = 0
    for whole, split in zip(make(), strategy.experimental_distribute_dataset(make())):
        for name, value in whole.items():
            halves = strategy.experimental_local_results(split[name])
            assert len(halves) == 2
            np.testing.assert_array_equal(halves[0], value[:4])
            np.testing.assert_array_equal(halves[1], value[4:])
        steps += 1
    assert steps == 5


def test_two_replicas_get_the_two_halves(tmp_path):
    code, said = ran(divide_between_two, output=tmp_path / "said.txt")
    assert code == 0, said[-2000:]
