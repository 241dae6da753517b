"""What a gallery must be like before it is attacked."""

import numpy as np

from hm_tf.ranking_attacks.greedy_top1_translocation import TOP
from robust_tf.errors import UserError

UNIT_TOLERANCE = 1e-3
# With fewer items but the query and the first one, the first could not leave the first four.
SMALLEST = TOP + 2


def check_gallery(embeddings):
    """Raises the `UserError` of embeddings, float [n, d], that are too few or no unit vectors."""
    if len(embeddings) < SMALLEST:
        raise UserError(
            f"the gallery has {len(embeddings)} images; the attacks need at least {SMALLEST}"
        )
    check_unit_vectors(embeddings)


def check_unit_vectors(embeddings):
    """Raises UserError unless all embeddings, float [n, d], are finite and of length 1."""
    embeddings = np.asarray(embeddings)
    size = len(embeddings)
    broken = ~np.isfinite(embeddings).all(axis=1)
    if broken.any():
        raise UserError(
            f"{broken.sum()} of {size} embeddings are not finite, the first that of image "
            f"{np.argmax(broken)}; check the weights and the images"
        )
    lengths = np.linalg.norm(embeddings, axis=1)
    wrong = np.abs(lengths - 1.0) > UNIT_TOLERANCE
    if wrong.any():
        raise UserError(
            f"{wrong.sum()} of {size} embeddings are not of length 1, the first that of image "
            f"{np.argmax(wrong)} ({lengths[wrong][0]:.3g}); "
            + ("normalise them" if lengths[wrong].any() else "check the weights and the images")
        )
