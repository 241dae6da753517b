"""Batches of pairs: whose partner, how often, and from what they follow."""

import dataclasses

import numpy as np

from hm_tf.triplets.pairs import pair_dataset
from robust_tf import data
from robust_tf.data.augment import Augment
from robust_tf.data.examples import Examples

PLAIN = data.open("digits").info
INFO = dataclasses.replace(PLAIN, augment=Augment(pad=1, flip=True))
LABELS = np.array([0] * 12 + [1] * 8 + [2] * 4, np.int32)


def numbered():
    """Images whose pixels are their index, so that a batch tells which images it holds."""
    images = np.broadcast_to(np.arange(24)[:, None, None, None], [24, 8, 8, 1])
    return Examples(images.astype(np.uint8), LABELS)


def batches(examples=None, *, batch_size=8, seed=0, stop_step=6, augment=False, start_step=0):
    data = pair_dataset(
        examples or numbered(),
        INFO if augment else PLAIN,
        batch_size=batch_size,
        seed=seed,
        start_step=start_step,
        stop_step=stop_step,
    )
    return list(data.as_numpy_iterator())


def indices(batch):
    return np.rint(batch["image"][:, 0, 0, 0] * 255).astype(int)


def test_every_image_is_an_anchor_once_per_epoch():
    for epoch in range(3):
        part = batches(start_step=6 * epoch, stop_step=6 * (epoch + 1))
        anchors = np.concatenate([indices(batch)[::2] for batch in part])
        assert sorted(anchors) == list(range(24))
    across = np.concatenate([indices(batch)[::2] for batch in batches(batch_size=20, stop_step=12)])
    assert sorted(across[:24]) == list(range(24)) and len(across) == 120


def test_anchor_and_partner_have_the_same_label():
    for batch in batches(stop_step=12):
        np.testing.assert_array_equal(batch["label"], LABELS[indices(batch)])
        np.testing.assert_array_equal(batch["label"][::2], batch["label"][1::2])
        assert set(batch["step"]) <= set(range(12)) and len(set(batch["step"])) == 1


def test_partners_are_uniform_over_the_class_with_replacement():
    part = batches(batch_size=48, stop_step=600)
    pairs = np.concatenate([indices(batch).reshape(-1, 2) for batch in part])
    counts = np.zeros([24, 24])
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    for image, label in enumerate(LABELS):
        members = np.flatnonzero(LABELS == label)
        expected = 600 / len(members)
        assert counts[image].sum() == counts[image, members].sum() == 600
        assert np.all(np.abs(counts[image, members] - expected) < 5.5 * np.sqrt(expected))


def test_the_batch_is_a_function_of_seed_and_step():
    usual = batches(augment=True)
    for other in (batches(augment=True), batches(augment=True, start_step=0)):
        for one, two in zip(usual, other):
            np.testing.assert_array_equal(one["image"], two["image"])
    resumed = batches(augment=True, start_step=4)
    np.testing.assert_array_equal(usual[4]["image"], resumed[0]["image"])
    assert np.any(usual[0]["image"] != batches(augment=True, seed=1)[0]["image"])


def test_an_image_beside_itself_has_its_own_crop():
    """One image per class: every image is its own partner."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [24, 8, 8, 1]).astype(np.uint8)
    alone = Examples(images, np.arange(24, dtype=np.int32))
    plain = batches(alone, batch_size=48, stop_step=1)[0]["image"]
    np.testing.assert_array_equal(plain[::2], plain[1::2])
    augmented = batches(alone, batch_size=48, stop_step=1, augment=True)[0]["image"]
    differing = np.any(augmented[::2] != augmented[1::2], axis=(1, 2, 3))
    assert differing.mean() > 0.8
