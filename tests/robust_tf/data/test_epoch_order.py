"""Every epoch of every stream is a fresh permutation."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.data.epoch_order import permute, stream_index


@pytest.mark.parametrize("count", [1, 2, 3, 10, 1437])
def test_each_epoch_holds_every_image_once(count):
    position = tf.range(4 * count, dtype=tf.int64)
    index = stream_index(position, count, seed=0, purpose="anchor").numpy().reshape(4, count)
    np.testing.assert_array_equal(np.sort(index), np.tile(np.arange(count), [4, 1]))
    if count > 10:
        assert len({row.tobytes() for row in index}) == 4


def test_a_batch_across_the_border_takes_from_both_epochs():
    whole = stream_index(tf.range(20, dtype=tf.int64), 10, seed=3, purpose="anchor").numpy()
    part = stream_index(tf.range(7, 13, dtype=tf.int64), 10, seed=3, purpose="anchor").numpy()
    np.testing.assert_array_equal(part, whole[7:13])


def test_seed_purpose_and_epoch_give_unrelated_orders():
    count = 2000
    orders = [
        stream_index(tf.range(2 * count, dtype=tf.int64), count, seed=seed, purpose=purpose)
        for seed, purpose in [(0, "anchor"), (1, "anchor"), (0, "pool")]
    ]
    rows = np.concatenate([np.reshape(order, [2, count]) for order in orders])
    related = np.corrcoef(np.concatenate([rows, [np.arange(count)]]))
    assert abs(related - np.eye(7)).max() < 0.1


def test_groups_of_one_call_have_their_own_permutation():
    index = np.tile(np.arange(50), 3)
    group = np.repeat([0, 1, 2], 50)
    places = permute(
        index, np.full(150, 50), seed=0, purpose="positive", epoch=np.zeros(150, int), group=group
    ).numpy()
    places = places.reshape(3, 50)
    np.testing.assert_array_equal(np.sort(places), np.tile(np.arange(50), [3, 1]))
    assert len({row.tobytes() for row in places}) == 3
