"""Nearest neighbours by angular distance, and the classes they vote for."""

import numpy as np
import tensorflow as tf

from robust_tf.distances import angular_matrix
from robust_tf.evaluation.row_blocks import row_blocks


def nearest_neighbours(queries, references, k):
    """Finds the k nearest references of every query, nearest first.

    Args:
        queries: embeddings, float [n, d].
        references: embeddings, float [m, d], m >= k.
        k: int.

    Returns:
        (indices int [n, k], angular distances float [n, k]). Of references at the same distance the
        first ones are taken. In blocks of queries; never more than about 128 MB of distances.
    """
    references = tf.constant(references)
    found = []
    for rows in row_blocks(len(queries), 4 * len(references)):
        distances = angular_matrix(queries[rows], references)
        nearness, indices = tf.math.top_k(-distances, k)
        found.append((indices.numpy(), -nearness.numpy()))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def vote(neighbour_labels, distances):
    """Returns the class of every query, int [n] (k-NN of TLA, table 3).

    The class of most neighbours; among equals the one with the smaller sum of distances, then the
    smaller label.

    Args:
        neighbour_labels: int [n, k].
        distances: float [n, k].
    """
    # Of the class of each neighbour.
    votes, sums = np.zeros(neighbour_labels.shape, np.int64), np.zeros(neighbour_labels.shape)
    for label, distance in zip(neighbour_labels.T[..., None], distances.T[..., None]):
        same = neighbour_labels == label
        votes += same
        sums += np.where(same, distance, 0.0)
    sums = np.where(votes == votes.max(axis=1, keepdims=True), sums, np.inf)
    nearest = sums == sums.min(axis=1, keepdims=True)
    return np.where(nearest, neighbour_labels, np.iinfo(neighbour_labels.dtype).max).min(axis=1)
