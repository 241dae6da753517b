"""Free checks of an embedding network before every evaluation of its retrieval.

`gallery_check` refuses embeddings that are not finite or not of unit length.
"""

import collections

import numpy as np
import tensorflow as tf

from robust_tf.evaluation.attack_loop import images_of
from robust_tf.evaluation.doubts import (
    RANGES,
    Doubt,
    input_gradients,
    looked_at,
    misleading_gradients,
    near_chance,
    of,
    unsteady,
    zero_gradients,
)
from robust_tf.evaluation.retrieval import chance_recall, retrieve
from robust_tf.models.output_of import output_of

# The share of images with a copy from which R@1 is doubted; fewer move it by a point at most.
COPIES = 0.01


def embedding_doubts(network, test_set, batch_size):
    """Returns the `Doubt`s about a network, a list; costs less than FGSM on one batch of 120.

    One forward and backward pass over at most 100 images, three forward passes over half of them.
    A collapsed network gets one more for each other input range. Nothing is traced. The files or
    pixels of all images are hashed once, to find copies.

    Args:
        network: Network with the output "embedding".
        test_set: `EmbeddedTestSet` of this network.
        batch_size: Images of an attacked batch.
    """
    embed, rows = output_of(network, "embedding"), looked_at(len(test_set), batch_size)
    images = images_of(test_set.examples, rows)

    def along(embeddings):
        # A distance to an own or equal embedding has no slope; a random direction has one.
        direction = tf.random.stateless_normal(embeddings.shape[1:], [0, 0], dtype=embeddings.dtype)
        return tf.linalg.matvec(embeddings, direction)

    looked = embeddings, _, gradients = input_gradients(embed, along, images)
    unsteadiness = unsteady(embed, images, embeddings.numpy())
    doubts = [
        _copied(test_set.examples),
        _collapsed(embed, test_set, images, embeddings.numpy(), test_set.labels[rows]),
        zero_gradients(gradients, "of the embedding: no gradient attack means anything there"),
        misleading_gradients(embed, along, images, looked, unsteadiness),
        unsteadiness,
    ]
    return [doubt for doubt in doubts if doubt is not None]


def _copied(examples):
    """An attack moves one of two equal images of a class; the other stays where the query was."""
    known = [
        hash((image if isinstance(image, bytes) else image.tobytes(), int(label)))
        for image, label in zip(examples.images, examples.labels)
    ]
    counts = collections.Counter(known)
    copied = np.array([counts[one] > 1 for one in known])
    if copied.mean() <= COPIES:
        return None
    return Doubt(
        "copies",
        f"{of(copied)} have an equal one of their class in the gallery, which no attack moves: R@1 "
        "is too high; keep one of each",
    )


def _collapsed(embed, test_set, images, embeddings, labels):
    if not test_set.collapsed:
        return None
    chance = chance_recall(labels)
    if not chance:  # no two of these few images are of one class
        return Doubt("collapsed", test_set.collapse_message)
    here = _recall_at_1(embeddings, labels)
    if not near_chance(here, chance):  # the range is the network's
        return Doubt("collapsed", test_set.collapse_message)
    for name, scaled in RANGES.items():
        try:
            found = _recall_at_1(embed(scaled(images)).numpy(), labels)
        except tf.errors.OpError:  # an exported network may refuse other ranges
            continue
        if not near_chance(found, max(chance, here.mean())):
            share = 100 * found.mean()
            hint = f"on {name} R@1 among {len(labels)} images is {share:.1f} %: input range"
            return Doubt("collapsed", f"{test_set.collapse_message}; {hint}")
    return Doubt("collapsed", test_set.collapse_message)


def _recall_at_1(embeddings, labels):
    """bool [b], R@1 of a few images among each other; false where it has no meaning."""
    if not np.isfinite(embeddings).all():
        return np.zeros(len(labels), bool)
    return retrieve(embeddings, labels).recall_at(1)
