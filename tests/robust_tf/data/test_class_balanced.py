"""Positives share the class, and each image serves once per epoch."""

import numpy as np
import tensorflow as tf

from robust_tf.data.class_balanced import SameClass

LABELS = np.array([3, 0, 3, 3, 1, 0, 3, 1, 1, 1, 3])  # no image of class 2


def positives(epoch, seed=0):
    anchor = tf.range(len(LABELS), dtype=tf.int64)
    epoch = tf.fill([len(LABELS)], tf.constant(epoch, tf.int64))
    return SameClass(LABELS).positive_index(anchor, epoch, seed=seed).numpy()


def test_an_epoch_is_one_bijection_per_class():
    for epoch in range(20):
        index = positives(epoch)
        np.testing.assert_array_equal(LABELS[index], LABELS)
        np.testing.assert_array_equal(np.sort(index), np.arange(len(LABELS)))


def test_epochs_and_seeds_differ():
    drawn = {positives(epoch, seed).tobytes() for epoch in range(3) for seed in range(3)}
    assert len(drawn) == 9


def test_pairs_of_an_epoch_are_not_a_fixed_shift():
    labels = np.zeros(200, int)
    anchor = tf.range(200, dtype=tf.int64)
    index = SameClass(labels).positive_index(anchor, tf.zeros_like(anchor), seed=0).numpy()
    assert len(set((index - np.arange(200)) % 200)) > 80
