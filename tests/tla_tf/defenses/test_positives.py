"""Positives from the batch: the anchor's class, another image where there is one."""

import numpy as np
import tensorflow as tf

from tla_tf.defenses.positives import in_batch_positive


def test_a_thousand_batches_without_a_wrong_label():
    random = np.random.default_rng(1)
    call = tf.function(lambda labels, noise: in_batch_positive(labels, labels, tf.range(10), noise))
    alone = 0
    for step in range(1000):
        labels = random.integers(0, 1 + step % 8, 10).astype(np.int32)
        chosen = call(labels, random.uniform(size=[10, 10]).astype(np.float32)).numpy()
        assert np.all(labels[chosen] == labels)
        counts = np.bincount(labels)[labels]
        np.testing.assert_array_equal(chosen == np.arange(10), counts == 1)
        alone += np.sum(counts == 1)
    assert alone > 0


def test_all_others_are_equally_likely():
    labels = tf.constant([0, 0, 1, 0])
    counts = np.zeros(4)
    for seed in range(400):
        noise = tf.random.stateless_uniform([4, 4], [seed, 3])
        counts[in_batch_positive(labels, labels, tf.range(4), noise)[0]] += 1
    assert counts[0] == counts[2] == 0
    np.testing.assert_allclose(counts[[1, 3]] / 400, 0.5, atol=0.08)
