"""CutMix: shares are areas, and draws are functions of seed and step."""

import numpy as np
import tensorflow as tf

from robust_tf import data, randomness
from robust_tf.data import pipeline
from robust_tf.data.cutmix import CutMix

VALUES = np.arange(10) / 10


def mixed(step):
    """Of grey images, each as bright as its class."""
    labels = np.arange(40) % 10
    images = np.broadcast_to(VALUES[labels][:, None, None, None], [40, 20, 20, 1])
    images = tf.constant(images, tf.float32)
    return labels, CutMix(1.0, 10)(images, labels, randomness.key(0, step, "cutmix"))


def test_the_shares_are_the_areas():
    labels, (images, shares) = mixed(0)
    shares = shares.numpy()
    np.testing.assert_allclose(np.sum(shares, axis=1), 1, atol=1e-6)
    assert np.mean(np.sum(shares > 0, axis=1) == 2) > 0.5
    # A rectangle ends inside a pixel: up to a row and a column of 20 x 20.
    np.testing.assert_allclose(shares @ VALUES, np.mean(images, axis=(1, 2, 3)), atol=0.1)
    assert np.abs(shares @ VALUES - VALUES[labels]).max() > 0.2


def test_the_draws_follow_the_step():
    first, again, later = (mixed(step)[1][0].numpy() for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - later).max() > 0.1


def test_a_resumed_pipeline_mixes_alike():
    digits = data.open("digits")
    examples, settings = digits.load("train", limit=60), {"batch_size": 12, "seed": 0}
    batches = [
        list(pipeline.train_dataset(examples, digits.info, streams=(), **settings, **more))
        for more in (
            {"stop_step": 3, "cutmix": 1.0},
            {"start_step": 2, "stop_step": 3, "cutmix": 1.0},
            {"stop_step": 1},
        )
    ]
    for name in ("image", "shares"):
        np.testing.assert_array_equal(batches[0][2][name], batches[1][0][name])
    assert "shares" not in batches[2][0]
    assert np.abs(batches[0][0]["image"] - batches[2][0]["image"]).max() > 0
