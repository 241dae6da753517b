"""Batches of pairs for a plain fit: whose partner, how often."""

import numpy as np
import pytest

from hm_tf.triplets.paired_batches import PairedBatches
from robust_tf.errors import UserError

Y = np.array([4, 9, 4, 4, 1, 9, 4, 4])  # image 4 is alone in its class
X = np.arange(8.0)


def epoch(batches):
    return [batches[i] for i in range(len(batches))]


def test_every_image_is_an_anchor_once_beside_another_image_of_its_class():
    batches = PairedBatches(X, Y, 4)
    for _ in range(3):
        parts = epoch(batches)
        assert [len(x) for x, _ in parts] == [4, 4, 4, 4]
        rows = np.concatenate([x for x, _ in parts]).astype(int).reshape(-1, 2)
        assert sorted(rows[:7, 0]) == [0, 1, 2, 3, 5, 6, 7] and rows[7, 0] == rows[0, 0]
        assert np.all(Y[rows[:, 0]] == Y[rows[:, 1]]) and np.all(rows[:, 0] != rows[:, 1])
        labels = np.concatenate([y for _, y in parts])
        np.testing.assert_array_equal(labels, Y[rows].reshape(-1))
        batches.on_epoch_end()


def test_partners_are_uniform_and_epochs_differ():
    batches, counts = PairedBatches(X, Y, 14), np.zeros([8, 8])
    for _ in range(400):
        rows = batches[0][0].astype(int).reshape(-1, 2)
        np.add.at(counts, (rows[:, 0], rows[:, 1]), 1)
        batches.on_epoch_end()
    four = [0, 2, 3, 6, 7]
    found = counts[np.ix_(four, four)]
    assert np.all(np.abs(found[~np.eye(5, dtype=bool)] - 100) < 45)  # 5 standard deviations
    assert counts[1, 5] == counts[5, 1] == 400


def test_batches_are_a_function_of_seed_and_epoch():
    one, same, other = (PairedBatches(X, Y, 4, seed=seed) for seed in (0, 0, 1))
    for a, b in zip(epoch(one), epoch(same)):
        np.testing.assert_array_equal(a[0], b[0])
    assert any(np.any(a[0] != b[0]) for a, b in zip(epoch(one), epoch(other)))


def test_one_hot_labels_come_as_they_are():
    one_hot = np.eye(10)[Y]
    x, y = PairedBatches(X, one_hot, 4)[0]
    np.testing.assert_array_equal(y, one_hot[x.astype(int)])


@pytest.mark.parametrize(
    "arguments, message",
    [((X, Y, 5), "even number"), ((X[:3], Y, 4), "3 images and 8"), ((X, X, 4), "two images")],
)
def test_mistakes_are_one_line(arguments, message):
    with pytest.raises(UserError, match=message):
        PairedBatches(*arguments)
