"""The result of an attack on one image is checked before anything is made of it."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from hm_tf.image_attack.single_attack import attack_image
from robust_tf.errors import RunError
from robust_tf.threat_model import ThreatModel

IMAGE = np.full([2, 2, 1], 0.5, np.float32)
AIM = types.SimpleNamespace(gallery=None, rows=None, chosen=())


@dataclasses.dataclass(frozen=True)
class Shift:
    """A search that adds `moved_by` to the image."""

    moved_by: float
    steps: int = 1
    random_start: bool = False
    threat_model: ThreatModel = ThreatModel(0.1)

    def ascend(self, objective, images, *, key=None, start=None):
        return images + self.moved_by


def attack(moved_by, embed_fn=lambda images: images[:, 0, :, 0], early=False):
    ranking_attack = types.SimpleNamespace(measures_early=early, objective=lambda *given: None)
    return attack_image(embed_fn, ranking_attack, Shift(moved_by), IMAGE, AIM)


def test_what_is_in_the_ball_is_returned():
    moved, earlier = attack(0.1)
    np.testing.assert_allclose(moved, IMAGE + 0.1)
    assert earlier is None
    np.testing.assert_allclose(attack(0.1, early=True)[1], [0.5, 0.5])


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("moved_by", [0.2, -0.6, np.nan], ids=["ball", "box", "nan"])
def test_what_left_the_ball_ends_in_one_line(moved_by, early):
    with pytest.raises(RunError, match="not within linf eps=0.1 and the box"):
        attack(moved_by, early=early)


def test_an_embedding_that_is_not_finite_ends_in_one_line():
    with pytest.raises(RunError, match="embedding of the attacked image is not finite"):
        attack(0.1, lambda images: tf.math.log(images[:, 0, :, 0] - 0.6 - 1e-6))
