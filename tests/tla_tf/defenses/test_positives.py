"""Positives from the batch: the anchor's class, another image where there is one."""

import numpy as np
import tensorflow as tf

from tla_tf.defenses.positives import in_batch_positive


def chosen(labels, noise):
    """The positives of many batches at once, int [batches, batch]: each call costs time."""
    call = lambda one: in_batch_positive(one[0], one[0], tf.range(labels.shape[1]), one[1])
    return tf.function(tf.map_fn)(call, (labels, noise), fn_output_signature=tf.int32).numpy()


def test_a_thousand_batches_without_a_wrong_label():
    random = np.random.default_rng(1)
    batches = [random.integers(0, 1 + step % 8, 10).astype(np.int32) for step in range(1000)]
    found = chosen(np.stack(batches), random.uniform(size=[1000, 10, 10]).astype(np.float32))
    alone = 0
    for labels, index in zip(batches, found, strict=True):
        assert np.all(labels[index] == labels)
        counts = np.bincount(labels)[labels]
        np.testing.assert_array_equal(index == np.arange(10), counts == 1)
        alone += np.sum(counts == 1)
    assert alone > 0


def test_all_others_are_equally_likely():
    labels = np.tile(np.array([0, 0, 1, 0], np.int32), [400, 1])
    found = chosen(labels, tf.random.stateless_uniform([400, 4, 4], [0, 3]))
    counts = np.bincount(found[:, 0], minlength=4)
    assert counts[0] == counts[2] == 0
    np.testing.assert_allclose(counts[[1, 3]] / 400, 0.5, atol=0.08)
