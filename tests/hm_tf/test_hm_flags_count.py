"""Flags of the ablations, from what is typed to the weights after one update: none is ignored.

Nothing is compiled: the update runs eagerly on a network for 4x4 images.
"""

import functools
import pathlib
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from small_embedding import small_images, small_network

from hm_tf.defenses import metric_defense
from hm_tf.defenses.build import DefenseSettings
from hm_tf.options import TRAIN
from hm_tf.train import training_run
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.noisy_fgsm import NoisyFGSM
from robust_tf.attacks.pgd import PGD
from robust_tf.randomness import Shard
from robust_tf.threat_model import ThreatModel

BASE = ["--batch_size=12", "--shard_size=12", "--pgd_steps=2", "--eps=0.2", "--pgd_step_size=0.15"]
HM = ["--defense=hm", "--source=random", "--destination=semihard", "--ics=0.5"]


def batch():
    examples = small_images(12)
    order = np.argsort(examples.labels, kind="stable")
    return {
        "image": tf.constant(examples.images[order] / 255.0, tf.float32),
        "label": tf.constant(examples.labels[order]),
        "step": tf.zeros([12], tf.int64),
    }


@functools.cache
def base():
    """A flagfile: only what is typed is refused where nobody reads it."""
    path = pathlib.Path(tempfile.mkdtemp()) / "base.flags"
    path.write_text("\n".join(BASE))
    return path


def built(*given):
    settings = training_run(TRAIN.parse([f"--flagfile={base()}", *given])).settings
    model = settings.defense.build(small_network())
    model.compile(optimizer=settings.make_optimizer())
    return model


@functools.cache
def updated(*given):
    """The weights after one update."""
    model = built(*given)
    model.train_step(batch())
    return np.concatenate([np.ravel(value) for value in model.network.get_weights()])


def assert_last_counts(*given):
    assert np.abs(updated(*given) - updated(*given[:-1])).max() > 1e-6


@pytest.mark.parametrize(
    "flag",
    [
        *(f"--ics_triplet={name}" for name in ("a,p,n", "a,a~,n~")),  # with all roles, with one
        "--norm=l2",
        "--loss=contrastive",
        "--loss=multi_similarity",
        "--distance=cosine",
        "--distance=unnormalized",
        *(f"--inner_attack={name}" for name in ("n_fgsm", "apgd")),
        *(f"--optimizer={name}" for name in ("momentum", "nesterov")),
    ],
)
def test_of_hm(flag):
    assert_last_counts(*HM, flag)


@pytest.mark.parametrize("defense", ["est", "act", "minmax", "ses"])
def test_the_inner_attack_of_other_defenses(defense):
    assert_last_counts(
        f"--defense={defense}", "--source=random", "--ics=0", "--inner_attack=n_fgsm"
    )


def test_inner_attacks_are_those_of_their_papers():
    attacks = {
        name: built(*HM, f"--inner_attack={name}").attack for name in DefenseSettings.inner_attacks
    }
    ball = ThreatModel(0.2)
    assert attacks == {
        "pgd": PGD(ball, 2, 0.15, random_start=False),
        "apgd": APGD(ball, steps=2),
        "fgsm_rs": NoisyFGSM(ball, noise=1.0, step=1.25, projected=True),
        "n_fgsm": NoisyFGSM(ball, noise=2.0, step=1.0, projected=False),
    }


@pytest.mark.parametrize("roles", [1, 2, 3])
def test_two_replicas_start_where_one_does(roles, monkeypatch):
    """Each has the images of its own triplets in every role."""
    model, given, found = built(*HM), batch(), []
    whole = model._start_keys(given, roles, 12 * roles).numpy().reshape(roles, 12, 2)
    for shard in (Shard(0, 2), Shard(1, 2)):
        monkeypatch.setattr(metric_defense, "current_shard", lambda: shard)
        found.append(model._start_keys(given, roles, 6 * roles).numpy().reshape(roles, 6, 2))
    np.testing.assert_array_equal(np.concatenate(found, axis=1), whole)
    assert len(np.unique(whole.reshape(-1, 2), axis=0)) == 12 * roles


def test_of_a_raised_destination():
    """At the second update the level of the loss has fallen, and xi times its fall is added."""
    reached = []
    for flag in ("--gb_rise=0.1", "--gb_rise=0.3"):
        model = built("--source=random", "--destination=gb:semihard", "--ics=0", flag)
        model.previous_loss.assign([0.1])  # half of the margin: 1 - l = 0.5
        reached.append(model.craft(batch())["destination"])
    np.testing.assert_allclose(reached[1] - reached[0], 0.5 * 0.2 * np.ones(6), rtol=1e-4)


def test_of_suppressing_embedding_shift():
    assert_last_counts("--defense=ses", "--source=random", "--ics=0", "--shift_weight=3")
