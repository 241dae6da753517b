"""The test images as an evaluation sees them: a gallery, and the queries in it."""

import copy

import numpy as np

from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch
from hm_tf.evaluation.robustness_score import has_collapsed
from hm_tf.ranking_attacks.gallery_check import check_gallery
from hm_tf.ranking_attacks.random_items import FEWEST_FOR_SHARE
from robust_tf.errors import UserError
from robust_tf.evaluation.retrieval import chance_recall, retrieve
from robust_tf.results.cache import examples_hash


class EmbeddedTestSet:
    """Images and their clean embeddings.

    An image that is the only one of its class is no query; it stays in the gallery.

    Args:
        network: output "embedding".
        examples: `Examples`.
        batch_size, xla: See `metric_evaluation`.
        progress: Whether to show a progress bar.

    Attributes:
        embeddings: float32 [n, d], unit vectors.
        searched: int32 [s], the rows that have another image of their class.
        queries: int32 [q], the rows that are attacked; all of `searched` unless told otherwise.
        retrieval: `Retrieval` of `searched`.
        chance: R@1 of a random ranking.
        mean_cosine: Mean cosine of all pairs of embeddings.

    Raises:
        UserError: images of another size than the network's, one class only, no query, embeddings
            that are not finite or not of unit length.
    """

    def __init__(self, network, examples, *, batch_size=128, xla=False, progress=True):
        _check_size(network, examples)
        self.examples = examples
        self.labels = np.asarray(examples.labels)
        self.searched = self.queries = searchable(self.labels)
        of_batch = embedding_of_batch(network, xla=xla)
        self.embeddings = embed(of_batch, examples, batch_size, "embeddings", progress=progress)
        check_gallery(self.embeddings)
        self.retrieval = retrieve(self.embeddings, self.labels, progress=progress)
        self.chance = chance_recall(self.labels)
        self.mean_cosine = mean_cosine(self.embeddings)
        self.hash = examples_hash(examples)

    def __len__(self):
        return len(self.labels)

    def __str__(self):
        classes = len(np.unique(self.labels))
        text = f"{len(self):,} test images of {classes:,} classes"
        if alone := len(self) - len(self.searched):
            text += f"; {alone:,} without another of their class: no queries, but in the gallery"
        if self.limited:
            text += f"; {len(self.queries):,} of them are queries"
        if len(self) < FEWEST_FOR_SHARE:
            text += "; CA- and QA- draw the nearest one only, as 1 % is none"
        return text

    @property
    def collapse_message(self):
        """The sentence on a network that has collapsed."""
        recall = self.retrieval.recall_at(1).mean()
        return (
            f"collapsed: R@1 {100 * recall:.1f} %, chance {100 * self.chance:.1f} %, mean cosine "
            f"{self.mean_cosine:.3f}; attacks on it mean nothing"
        )

    @property
    def limited(self):
        """Whether there are fewer queries than could be."""
        return len(self.queries) < len(self.searched)

    def with_queries(self, rows):
        """Returns the test set with the same gallery and fewer queries, int [q]."""
        other = copy.copy(self)
        other.queries = np.asarray(rows, np.int32)
        return other

    @property
    def collapsed(self):
        """Whether the network has collapsed, see `has_collapsed`."""
        return has_collapsed(self.retrieval.recall_at(1).mean(), self.mean_cosine, self.chance)


def mean_cosine(embeddings):
    """The mean cosine of all pairs of unit vectors, float [n, d] to a number in [-1, 1]."""
    n = len(embeddings)
    total = np.sum(embeddings, axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def searchable(labels):
    """The rows that have another image of their class, int32 [q].

    Raises:
        UserError: there is none, or one class only.
    """
    values, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    queries = np.flatnonzero(counts[place] > 1).astype(np.int32)
    if len(values) < 2 or not len(queries):
        raise UserError(
            f"of the {len(labels)} test images {len(queries)} have another one of their class, in "
            f"{len(values)} classes; retrieval needs some, and two classes: take more images"
        )
    return queries


def _check_size(network, examples):
    wanted, given = network.inputs[0].shape[1:], examples.image_shape
    if len(wanted) != len(given) or any(w not in (None, g) for w, g in zip(wanted, given)):
        wanted, given = ("x".join(str(n or "?") for n in shape) for shape in (wanted, given))
        raise UserError(f"the images are {given}, the network takes {wanted}")
