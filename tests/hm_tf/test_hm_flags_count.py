"""Flags of the ablations, from what is typed to the weights after one update: none is ignored.

Nothing is compiled: the update runs eagerly on a network for 4x4 images.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from small_embedding import small_images, small_network

from hm_tf.options import TRAIN
from hm_tf.train import training_run

BASE = ["--batch_size=12", "--shard_size=12", "--pgd_steps=2", "--eps=0.2", "--pgd_step_size=0.15"]
HM = ["--defense=hm", "--source=random", "--destination=semihard", "--ics=0.5"]


def batch():
    examples = small_images(12)
    order = np.argsort(examples.labels, kind="stable")
    return {
        "image": tf.constant(examples.images[order] / 255.0, tf.float32),
        "label": tf.constant(examples.labels[order]),
        "step": tf.zeros([12], tf.int64),
    }


def built(*given):
    settings = training_run(TRAIN.parse([*BASE, *given])).settings
    model = settings.defense.build(small_network())
    model.compile(optimizer=settings.make_optimizer())
    return model


@functools.cache
def updated(*given):
    """The weights after one update."""
    model = built(*given)
    model.train_step(batch())
    return np.concatenate([np.ravel(value) for value in model.network.get_weights()])


def assert_last_counts(*given):
    assert np.abs(updated(*given) - updated(*given[:-1])).max() > 1e-6


@pytest.mark.parametrize(
    "flag",
    [
        *(f"--ics_triplet={name}" for name in ("a,a~,p~", "a,p,n", "p,p~,a", "a,a~,n~", "a,p,n~")),
        "--norm=l2",
        "--loss=contrastive",
        "--loss=multi_similarity",
        "--distance=cosine",
        "--distance=unnormalized",
    ],
)
def test_of_hm(flag):
    assert_last_counts(*HM, flag)


def test_of_a_raised_destination():
    """At the second update the level of the loss has fallen, and xi times its fall is added."""
    reached = []
    for flag in ("--gb_rise=0.1", "--gb_rise=0.3"):
        model = built("--source=random", "--destination=gb:semihard", "--ics=0", flag)
        model.previous_loss.assign([0.1])  # half of the margin: 1 - l = 0.5
        reached.append(model.craft(batch())["destination"])
    np.testing.assert_allclose(reached[1] - reached[0], 0.5 * 0.2 * np.ones(6), rtol=1e-4)


def test_of_suppressing_embedding_shift():
    assert_last_counts("--defense=ses", "--source=random", "--ics=0", "--shift_weight=3")
