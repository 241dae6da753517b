"""t-SNE with the settings of TLA's figures."""

import os

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

PERPLEXITY = 15
ITERATIONS = 5000
# A step over fewer points is shorter than the wait of its threads for each other; the points do not
# depend on their number.
POINTS_PER_THREAD = 500


def tsne(embeddings, seed):
    """Returns the points of float [n, d] in the plane, float32 [n, 2].

    Unit vectors, cosine distance, perplexity 15, learning rate 20, 5000 iterations, patience 800
    (TLA, figures 1 and 2, authors' code).

    Args:
        embeddings: float [n, d], n > PERPLEXITY, not all parallel: scikit-learn crashes on zeros.
        seed: int.
    """
    model = TSNE(
        perplexity=PERPLEXITY,
        learning_rate=20,
        max_iter=ITERATIONS,
        n_iter_without_progress=800,
        metric="cosine",
        random_state=seed,
    )
    threads = min(1 + len(embeddings) // POINTS_PER_THREAD, os.cpu_count())
    with threadpool_limits(threads, user_api="openmp"):
        return model.fit_transform(unit_vectors(embeddings))


def unit_vectors(embeddings):
    """Returns float [n, d] `embeddings` divided by their lengths; zeros stay."""
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
