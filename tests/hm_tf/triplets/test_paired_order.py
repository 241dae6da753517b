"""Pairs of a batch in any order, and no wrong label among the triplets that are mined from it."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.triplets import SYMBOLS
from hm_tf.triplets.pair_batch import paired_order
from hm_tf.triplets.triplet_sampler import TripletSampler


@pytest.mark.parametrize(
    "labels, expected",
    [
        ([1, 1, 0, 0], [2, 3, 0, 1]),
        ([5, 3, 5, 3, 5], [1, 3, 0, 2, 4]),  # the third of class 5 has no partner
        ([7, 2, 4], [1, 2, 0]),  # one-image classes
        ([0, 0, 0, 0], [0, 1, 2, 3]),
        ([3], [0]),
        ([], []),
    ],
)
def test_pairs_first_by_hand(labels, expected):
    found = paired_order(tf.constant(labels, tf.int32))
    np.testing.assert_array_equal(found, expected)


def miner(sampler):
    """Returns the compiled function (embeddings, labels, noise) -> anchors, ..., valid."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4]),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None, 2]),
        ]
    )
    def mine(embeddings, labels, noise):
        order = paired_order(labels)
        triplets = sampler(tf.gather(embeddings, order), tf.gather(labels, order), noise)
        return [tf.gather(order, places) for places in triplets[:3]] + [triplets.valid]

    return mine


def test_a_thousand_shuffled_batches_without_a_wrong_label():
    """Partial batches, one-image classes, duplicates and one class only; each sampler has 200."""
    miners = itertools.cycle(miner(TripletSampler(name)) for name in SYMBOLS)
    random = np.random.default_rng(0)
    mined = skipped = 0
    for step in range(1000):
        size = 16 if step % 4 else random.integers(1, 16)
        labels = random.integers(0, 1 + step % 12, size).astype(np.int32)
        embeddings = random.normal(size=[size, 4]).astype(np.float32)
        if step % 7 == 0:
            embeddings[size // 2 :] = embeddings[0]
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        noise = random.random([size // 2, size, 2]).astype(np.float32)
        a, p, n, valid = (part.numpy() for part in next(miners)(embeddings, labels, noise))
        assert len(a) == len(set(a)) == size // 2
        kept, counts = valid.nonzero()[0], np.bincount(labels, minlength=12)
        assert np.all(labels[p[kept]] == labels[a[kept]]) and np.all(p[kept] != a[kept])
        assert np.all(labels[n[kept]] != labels[a[kept]])
        # Valid are exactly the anchors of classes with another image, beside another class.
        np.testing.assert_array_equal(valid, (counts[labels[a]] > 1) & (counts[labels[a]] < size))
        # At most one image of each class is without a partner, and no pair is lost.
        assert len(kept) >= np.sum(counts // 2) * (len(set(labels)) > 1)
        mined, skipped = mined + len(kept), skipped + len(a) - len(kept)
    assert mined > 3000 and skipped > 500
