import numpy as np
import pytest

from hm_tf.ranking_attacks.gallery_check import check_gallery, check_unit_vectors
from robust_tf.errors import UserError

POINTS = np.eye(8)
LABELS = np.repeat(np.arange(4), 2)


def with_row(value):
    vectors = POINTS.copy()
    vectors[3] = value
    return vectors


CASES = {
    "small": (POINTS[:5], LABELS[:5], "5 images"),
    "nan": (with_row(np.nan), LABELS, "not finite, the first that of image 3"),
    "infinite": (with_row(np.inf), LABELS, "1 of 8 embeddings are not finite"),
    "unnormalised": (
        with_row(2.0 * POINTS[3]),
        LABELS,
        "not of length 1, the first that of image 3",
    ),
    "zero": (with_row(0.0), LABELS, "not of length 1"),
    "one class": (POINTS, np.zeros(8, int), "one class"),
    "alone": (POINTS, np.array([0, 0, 1, 1, 2, 2, 5, 7]), "2 of 8 queries .* of class 5"),
}


@pytest.mark.parametrize("vectors, labels, message", CASES.values(), ids=CASES)
def test_bad_galleries_are_refused(vectors, labels, message):
    with pytest.raises(UserError, match=message) as refused:
        check_gallery(vectors, labels)
    assert "\n" not in str(refused.value)


def test_without_classes_only_the_embeddings_are_checked():
    check_unit_vectors(POINTS)
    for name in ("nan", "infinite", "unnormalised", "zero"):
        vectors, _, message = CASES[name]
        with pytest.raises(UserError, match=message):
            check_unit_vectors(vectors)


def test_only_the_attacked_images_need_another_of_their_class():
    labels = np.array([0, 0, 1, 1, 2, 2, 5, 7])
    check_gallery(POINTS, labels, rows=[0, 1, 2])
    with pytest.raises(UserError, match="1 of 2 queries"):
        check_gallery(POINTS, labels, rows=[0, 6])


def test_float32_rounding_is_no_mistake():
    vectors = np.random.default_rng(0).normal(size=[8, 512]).astype(np.float32)
    check_gallery(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), LABELS)
