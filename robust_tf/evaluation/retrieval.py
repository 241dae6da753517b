"""Retrieval metrics of an embedded test set against itself (HM; Musgrave et al. 2020 for MAP@R)."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from robust_tf.evaluation.row_blocks import row_blocks
from robust_tf.progress_bar import SOON, ProgressBar

# From about here on it is cheaper to sort a row once than to count in it for every positive.
MANY_POSITIVES = 32
FIXED_R = 10


class Retrieval(NamedTuple):
    """What a query finds; one entry per query whose class has another image, float64 [n].

    Attributes:
        first_hit: how many wrong images come before the first right one.
        average_precision: over the whole ranking.
        map_at_r: average precision within the first R, the number of right images.
        map_at_10: the same with R = 10 for every class, as in the tables of HM.
    """

    first_hit: np.ndarray
    average_precision: np.ndarray
    map_at_r: np.ndarray
    map_at_10: np.ndarray

    def recall_at(self, k):
        """1 where one of the first k images is of the query's class, float64 [n]."""
        return (self.first_hit < k).astype(np.float64)


def retrieve(embeddings, labels, queries=None, *, progress=True):
    """Ranks all images but its own for every query, by cosine.

    A wrong image as near as a right one is ranked before it: equal distances, and a collapsed
    network, never earn anything. Nothing is sorted but the right images of a query; for the others
    counting suffices. Rows are worked on by as many threads as there are processors. Memory: less
    than 512 MB above the embeddings.

    Args:
        embeddings: the gallery, unit vectors, float [n, d].
        labels: int [n].
        queries: float [n, d], query i belongs to image i of the gallery, which it may not find (for
            example its embedding after an attack). None means the gallery itself.
        progress: whether a long search shows a progress bar.

    Returns:
        Retrieval. Queries without another image of their class are left out.

    Raises:
        ValueError: embeddings that are not finite, no class with two images.
    """
    queries = embeddings if queries is None else queries
    if not (np.isfinite(embeddings).all() and np.isfinite(queries).all()):
        raise ValueError("embeddings must be finite")
    members = _members(labels)
    if max(map(len, members.values())) < 2:
        raise ValueError("retrieval needs a class with at least two images")
    found, threads = [], os.cpu_count() or 1
    bar = ProgressBar(len(queries), "retrieval", unit="query", silent=not progress, delay=SOON)
    with ThreadPoolExecutor(threads) as pool, bar:
        for block in row_blocks(len(queries), embeddings.itemsize * len(embeddings)):
            similarities = queries[block] @ embeddings.T
            owns = np.arange(block.start, block.start + len(similarities))
            parts = np.array_split(similarities, threads), np.array_split(owns, threads)
            for part in pool.map(lambda rows, owns: _search(rows, owns, labels, members), *parts):
                found += part
            bar.update(len(owns))
    return Retrieval(*np.array(found, np.float64).T)


def chance_recall(labels):
    """Returns R@1 of a random ranking: the probability that two images share their class.

    Of one image it is 0.
    """
    counts = np.unique(labels, return_counts=True)[1]
    return float(np.sum(counts * (counts - 1)) / max(len(labels) * (len(labels) - 1), 1))


def clustering_nmi(embeddings, labels, seed=0):
    """Normalised mutual information of the labels and of as many k-means clusters, in [0, 1].

    Random images as first centres and 25 iterations, as FAISS does by default; arithmetic mean of
    the entropies.

    Args:
        embeddings: float [n, d].
        labels: int [n].
        seed: Seed of the first centres.
    """
    clusters = len(np.unique(labels))
    means = KMeans(clusters, init="random", n_init=1, max_iter=25, random_state=seed)
    return float(normalized_mutual_info_score(labels, means.fit_predict(embeddings)))


def _members(labels):
    """label -> indices of its images."""
    order = np.argsort(labels, kind="stable")
    values, starts = np.unique(np.asarray(labels)[order], return_index=True)
    return dict(zip(values, np.split(order, starts[1:])))


def _search(rows, owns, labels, members):
    """The entries of `Retrieval` for the queries `owns`, int [q], with similarities [q, n]."""
    return [
        _scores(_wrong_before(row, members[labels[own]], own))
        for own, row in zip(owns, rows)
        if len(members[labels[own]]) > 1
    ]


def _wrong_before(row, members, own):
    """How many wrong images come before each right one, ascending; changes `row`."""
    right = np.sort(row[members[members != own]])[::-1]
    row[members] = -np.inf
    if len(right) < MANY_POSITIVES:
        return np.array([np.count_nonzero(row >= similarity) for similarity in right])
    wrong = np.sort(row[row >= right[-1]])
    return len(wrong) - np.searchsorted(wrong, right, side="left")


def _scores(wrong_before):
    """The entries of `Retrieval` for one query."""
    correct = np.arange(1, len(wrong_before) + 1)
    ranks = correct + wrong_before
    precision = correct / ranks
    at_r, at_10 = (precision[ranks <= r].sum() / r for r in (len(correct), FIXED_R))
    return wrong_before[0], precision.mean(), at_r, at_10
