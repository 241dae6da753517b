"""Training images that are kept out to select a network by."""

import numpy as np

from robust_tf.errors import UserError


def split_held_out(examples, count):
    """Returns (the examples to train on, `count` held-out ones), every class in proportion.

    Held out are images at equal distances in the order of the classes: of each class its share of
    `count`, rounded up or down. The same in every run; both parts keep the order of the data.

    Args:
        examples: `Examples`.
        count: int, at least 1.

    Raises:
        UserError: no image, or none of a class, would be left to train on.
    """
    total = len(examples)
    if count >= total:
        raise UserError(f"--held_out={count}: there are only {total:,} training images")
    places = (2 * np.arange(count) + 1) * total // (2 * count)
    rows = np.argsort(examples.labels, kind="stable")[places]
    kept = np.ones(total, bool)
    kept[rows] = False
    training, held_out = examples.rows(kept), examples.rows(~kept)
    if untrained := len(np.setdiff1d(held_out.labels, training.labels)):
        raise UserError(
            f"--held_out={count} of {total:,} training images leaves {untrained} "
            f"class{'es' * (untrained > 1)} without one to train on; hold out fewer"
        )
    return training, held_out
