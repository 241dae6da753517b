import numpy as np
import pytest

from hm_tf.ranking_attacks.gallery_check import check_gallery, check_unit_vectors
from robust_tf.errors import UserError

POINTS = np.eye(8)


def with_row(value):
    vectors = POINTS.copy()
    vectors[3] = value
    return vectors


CASES = {
    "small": (POINTS[:5], "5 images"),
    "nan": (with_row(np.nan), "not finite, the first that of image 3"),
    "infinite": (with_row(np.inf), "1 of 8 embeddings are not finite"),
    "unnormalised": (with_row(2.0 * POINTS[3]), "not of length 1, the first that of image 3"),
    "zero": (with_row(0.0), "not of length 1, .* check the weights"),
}


@pytest.mark.parametrize("vectors, message", CASES.values(), ids=CASES)
def test_bad_galleries_are_refused(vectors, message):
    with pytest.raises(UserError, match=message) as refused:
        check_gallery(vectors)
    assert "\n" not in str(refused.value)


def test_a_search_takes_few_images():
    check_unit_vectors(POINTS[:1])


def test_float32_rounding_is_no_mistake():
    vectors = np.random.default_rng(0).normal(size=[8, 512]).astype(np.float32)
    check_gallery(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
