"""Retrieval on a whole validation set, which Keras passes in batches."""

import warnings

import numpy as np

from robust_tf.evaluation.retrieval import retrieve


class ValidationRetrieval:
    """Keeps the embeddings of the batches of an `evaluate` and measures R@1 at its end.

    `recall_at_1`: share of the images whose nearest other image is of their class. An image alone
    in its class is in the gallery and no query. `robust_recall_at_1`: the same with queries whose
    images are attacked.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        """Forgets the embeddings."""
        self._parts = []

    def collecting(self, test_function):
        """Returns `test_function` without its embeddings, which are kept instead.

        Args:
            test_function: function of Keras from an iterator to a dict with label [B], embedding
                [B, d], and shifted [B, d] where there is an attack.
        """

        def collect(iterator):
            self._parts.append(
                {name: rows.numpy() for name, rows in test_function(iterator).items()}
            )
            return {}

        return collect

    def result(self):
        """Returns dict of the recalls, floats in [0, 1], and forgets the embeddings.

        NaN, with a warning, where an embedding is not finite, no class has two images, or all are
        of one; empty without embeddings.
        """
        if not self._parts:
            return {}
        parts, self._parts = self._parts, []
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        labels = whole.pop("label").astype(np.int64)
        shown = {"embedding": "recall_at_1", "shifted": "robust_recall_at_1"}
        if not all(np.isfinite(rows).all() for rows in whole.values()):
            warnings.warn("the recalls are NaN: embeddings are not finite", stacklevel=2)
            return {shown[name]: float("nan") for name in whole}
        if (classes := len(np.unique(labels))) in (1, len(labels)):
            warnings.warn(
                f"the recalls are NaN: {len(labels)} validation images of {classes} classes; they "
                "need two classes, and two images of one (validation_split takes the last images)",
                stacklevel=2,
            )
            return {shown[name]: float("nan") for name in whole}
        found = {
            name: retrieve(whole["embedding"], labels, queries, progress=False)
            for name, queries in whole.items()
        }
        return {shown[name]: float(one.recall_at(1).mean()) for name, one in found.items()}
