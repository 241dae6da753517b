import numpy as np
import pytest
import tensorflow as tf

from hm_tf.ranking_attacks.candidate_attack import CandidateDown, CandidateUp
from hm_tf.ranking_attacks.gallery import Gallery

# query, degrees -> J+, J-, rank
VECTORS = {
    (10, 49): (0.266697, 0.178444, 0.500000),
    (10, 43): (0.319594, 0.140661, 0.583333),
    (10, 30): (0.440121, 0.074862, 0.666667),
    (6, 49): (0.011626, 0.437580, 0.083333),
    (6, 43): (0.028997, 0.350725, 0.166667),
    (6, 30): (0.097534, 0.196110, 0.416667),
    (0, 49): (0.217612, 0.276183, 0.416667),
    (0, 43): (0.177452, 0.332407, 0.416667),
    (0, 30): (0.101584, 0.471903, 0.333333),
}


@pytest.mark.parametrize("mode", ["compat", "fixed"])
@pytest.mark.parametrize("query, degrees", VECTORS)
def test_twelve_items(example, query, degrees, mode):
    up, down, rank = VECTORS[query, degrees]
    np.testing.assert_allclose(example(CandidateUp(mode), [query], degrees), [up, rank], atol=2e-6)
    np.testing.assert_allclose(
        example(CandidateDown(mode), [query], degrees), [down, rank], atol=2e-6
    )


@pytest.mark.parametrize("attack", [CandidateUp(), CandidateDown()], ids=lambda a: a.name)
def test_a_candidate_for_itself_has_no_gradient_where_it_starts(points, attack):
    vectors, labels = points
    gallery = Gallery(vectors.astype(np.float32), labels)
    rows = tf.range(40)
    moved = gallery.vectors(rows) + 1e-8
    with tf.GradientTape() as tape:
        tape.watch(moved)
        cost = attack.cost(gallery, rows, (rows,))(moved)
    assert not np.any(tape.gradient(cost, moved))
    assert np.all(attack.measure(moved, gallery, rows, (rows,))[0] == 0)


def test_the_clean_image_ranks_where_the_gallery_says(points):
    """No tie noise: the clean candidate is exactly as far from the query as its own copy."""
    vectors, labels = points
    gallery = Gallery(vectors.astype(np.float32), labels)
    rows, query = tf.range(40), (7 * tf.range(40) + 3) % 40
    (rank,) = CandidateUp().measure(gallery.vectors(rows), gallery, rows, (query,))
    distances = np.linalg.norm(vectors[:, None] - vectors[query.numpy()], axis=2)
    expected = [(distances[:, i] < distances[i, i]).sum() / 40 for i in range(40)]
    np.testing.assert_allclose(rank, expected, atol=1e-6)
