"""Training images that are kept out to select a network by."""

import numpy as np

from robust_tf.errors import UserError


def split_held_out(examples, count):
    """Returns (the examples to train on, `count` held-out ones), every class `in_proportion`.

    The same in every run; both parts keep the order of the data.

    Args:
        examples: `Examples`.
        count: int, at least 1.

    Raises:
        UserError: no image, or none of a class, would be left to train on.
    """
    total = len(examples)
    if count >= total:
        raise UserError(f"--held_out={count}: there are only {total:,} training images")
    training, held_out = examples.parted(in_proportion(examples.labels, count))
    if untrained := len(np.setdiff1d(held_out.labels, training.labels)):
        raise UserError(
            f"--held_out={count} of {total:,} training images leaves {untrained} "
            f"class{'es' * (untrained > 1)} without one to train on; hold out fewer"
        )
    return training, held_out


def in_proportion(labels, count):
    """Returns int [count], ascending: of each class its share of `count`, rounded up or down.

    The places are at equal distances in the order of the classes.

    Args:
        labels: int [n].
        count: int, 1 to n.
    """
    places = (2 * np.arange(count) + 1) * len(labels) // (2 * count)
    return np.sort(np.argsort(labels, kind="stable")[places])
