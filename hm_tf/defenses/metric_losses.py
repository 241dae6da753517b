"""The loss of the embeddings of triplets, and the distance that it is made of, by name."""

import tensorflow as tf

from robust_tf.distances import cosine, cosine_matrix, shifted_euclidean
from robust_tf.losses.contrastive import contrastive
from robust_tf.losses.multi_similarity import multi_similarity
from robust_tf.losses.triplet import triplet_loss

# "unnormalized" is Euclidean between vectors that are not divided by their length.
DISTANCES = {"euclidean": shifted_euclidean, "cosine": cosine, "unnormalized": shifted_euclidean}


def metric_loss(name, embeddings, labels, margin, distance):
    """Returns the loss of each triplet, float [m].

    Args:
        name: one of `METRIC_LOSSES`. The first two see a triplet; multi_similarity compares its
            anchor with all 3m embeddings.
        embeddings: of anchors, positives and negatives, float [m, d] each.
        labels: int [m] each.
        margin: margin of the triplet loss.
        distance: distance d between embeddings.
    """
    anchor, positive, negative = embeddings
    if name == "multi_similarity":
        every, classes = tf.concat(embeddings, axis=0), tf.concat(labels, axis=0)
        same = labels[0][:, None] == classes
        itself = tf.range(tf.shape(anchor)[0])[:, None] == tf.range(tf.shape(every)[0])
        return multi_similarity(cosine_matrix(anchor, every), same & ~itself, ~same)
    if name == "contrastive":
        return contrastive(distance(anchor, positive), distance(anchor, negative))
    return triplet_loss(anchor, positive, negative, margin, distance)
