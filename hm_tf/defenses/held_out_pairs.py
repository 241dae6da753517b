"""Few of the training images, so that each has another one of its class: held out, or watched."""

import numpy as np

from robust_tf.errors import UserError


def split_pairs(examples, count):
    """Returns (the examples to train on, `count` held-out ones or None for 0).

    Held out are the first two images of every class, then the next two, until there are enough.
    In data that are sorted by class the last images would all be of one class.

    Raises:
        UserError: fewer than two classes or images are left on either side.
    """
    if not count:
        return examples, None
    sides = examples.parted(_pairs_first(examples.labels)[:count])
    if min(len(np.unique(side.labels)) for side in sides) < 2:
        raise UserError(
            f"--held_out={count} of {len(examples):,} training images: both sides need two classes"
        )
    return sides


def watched_pairs(examples, count):
    """Returns the first `count` images in the order of `split_pairs`; nothing is kept out.

    None where they say nothing of retrieval: one class only, or no class twice.
    """
    chosen = examples.rows(np.sort(_pairs_first(examples.labels)[:count]))
    return chosen if 1 < len(np.unique(chosen.labels)) < len(chosen) else None


def _pairs_first(labels):
    """All indices: two of every class, the next two of every class, ..."""
    order = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    ranks = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.lexsort((labels[order], ranks // 2))]
