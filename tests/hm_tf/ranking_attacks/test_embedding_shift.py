import numpy as np
import pytest
import tensorflow as tf

from hm_tf.evaluation.attack_strength import final_and_early
from hm_tf.ranking_attacks.embedding_shift import EmbeddingShift
from hm_tf.ranking_attacks.gallery import Gallery
from robust_tf.attacks.pgd import PGD
from robust_tf.threat_model import ThreatModel

# degrees -> J (with the constant of the distance: 5e-6), ES:D, ES:R
VECTORS = {49: (0.0, 0.0, 1), 43: (-0.104672, 0.104672, 0), 30: (-0.330095, 0.330095, 0)}


@pytest.mark.parametrize("mode", ["compat", "fixed"])
@pytest.mark.parametrize("degrees", VECTORS)
def test_twelve_items(example, degrees, mode):
    values = example(EmbeddingShift(mode), [5], degrees)
    np.testing.assert_allclose(values, VECTORS[degrees], atol=5e-6)


def test_compat_measures_the_distance_one_step_early(e12):
    """After the last step at 30 degrees, before it at 43."""
    rows = tf.constant([5])
    final, earlier = (tf.constant([[np.cos(a), np.sin(a)]]) for a in np.deg2rad([30.0, 43.0]))
    for mode, expected in (("compat", 0.104672), ("fixed", 0.330095)):
        attack = EmbeddingShift(mode)
        distance, hit = attack.measure(final, e12, rows, (rows,), earlier=earlier)
        np.testing.assert_allclose(distance, [expected], atol=2e-6)
        assert hit == [0]
    assert EmbeddingShift("compat").measures_early and not EmbeddingShift("fixed").measures_early


def embed(images):
    matrix = tf.constant(np.random.default_rng(1).normal(size=[16, 6]))
    return tf.linalg.l2_normalize(tf.reshape(images, [-1, 16]) @ matrix, axis=1)


def test_the_images_kept_are_those_before_the_last_step():
    images = tf.constant(np.random.default_rng(2).uniform(size=[3, 4, 4, 1]))
    gallery = Gallery(embed(images).numpy(), np.zeros(3, int))
    rows, threat_model = tf.range(3), ThreatModel(0.1)
    attack = EmbeddingShift("compat")
    objective = attack.objective(embed, images, gallery, rows, (rows,))
    final, last = final_and_early(PGD(threat_model, 5, 0.02, random_start=False), objective, images)
    np.testing.assert_array_equal(
        final, PGD(threat_model, 5, 0.02, random_start=False).ascend(objective, images)
    )
    np.testing.assert_array_equal(
        last, PGD(threat_model, 4, 0.02, random_start=False).ascend(objective, images)
    )
    early, late = (
        attack.measure(embed(final), gallery, rows, (rows,), earlier=e)[0]
        for e in (embed(last), None)
    )
    assert np.all(early < late)
    np.testing.assert_allclose(early, np.linalg.norm(embed(last) - embed(images), axis=1))
