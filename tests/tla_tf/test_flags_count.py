"""Every flag that is mathematics changes what an update computes: none is read and forgotten.

From the flags as typed to the loss and the weights after one update, on a network so small that
nothing is compiled: batch norm, two signed embedding coordinates, three classes.
"""

import functools
import pathlib
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.attacks.noisy_fgsm import NoisyFGSM
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel
from tla_tf.options import METHODS, TRAIN
from tla_tf.train import training_run

# In an L2 ball the step follows the size of the gradient, not only its sign.
BASE = [
    "--norm=l2",
    "--eps=0.5",
    "--attack_steps=2",
    "--attack_step_size=0.2",
    "--batch_size=8",
    "--pool_mul=2",
    "--margin=0.5",
    "--lambda_norm=0.1",
]
LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 2], np.int32)
OF_ALL = [
    "--seed=1",
    "--weight_decay=0.1",
    "--label_smoothing=0.1",
    "--reduction=sum",
    "--learning_rates=0.01",
    "--optimizer=momentum",
    "--optimizer=nesterov",
    "--schedule=onecycle",
    "--awp=0.1",
]
OF_ATTACK = [
    "--eps=0.3",
    "--norm=linf",
    "--attack_steps=1",
    "--attack_step_size=0.1",
    "--attack_bn_mode=training",
    "--inner_attack=fgsm_rs",
    "--inner_attack=n_fgsm",
    "--inner_attack=apgd",
    "--eps_warmup_steps=4",
]
OF_PAIRING = [
    "--attack_objective=full",
    "--alp_weight=1",
    "--alp_clean_weight=0",
    "--alp_layer=x4",
    "--alp_reduce=mean",
]
# Read after the images of a triplet are there, wherever they come from.
OF_TERMS = [
    "--lambda_triplet=2",
    "--margin=0.9",
    "--embedding=logits",
    "--lambda_norm=0.2",
    "--norm_form=mean_sq",
    "--triplet_warmup_steps=4",
]
# Of several flags in a line the last is the one in question.
OF_TRIPLETS = """
    --positive=own
    --positive=both
    --positive=both --own_noise=0.3
    --positive=both --own_margin_mul=2
    --match_l2=0.5
    --negative=random
    --negative=masked
    --negative=masked --neg_keep=0.1
    --neg_similarity=signed
    --neg_similarity=signed --neg_mask=zero
    --method=tla_rn --norn_class_check
    --method=tla_sa
    --method=tla_sa --positive=own
    --anchor=clean
    --concat_forward
    --attack_objective=full
    --attack_objective=triplet
    --positive=both --attack_objective=triplet
    --attack_objective=hardness
    --attack_objective=hardness --attack_hardness=-0.3
""".strip().splitlines()


@functools.cache
def base():
    """A flagfile: only what is typed is refused where nobody reads it."""
    path = pathlib.Path(tempfile.mkdtemp()) / "base.flags"
    path.write_text("\n".join(BASE))
    return path


def settings(*given):
    return training_run(TRAIN.parse([f"--flagfile={base()}", *given])).settings


@functools.cache
def network_and_weights():
    keras.utils.set_random_seed(3)
    image = keras.Input([2, 2, 1], name="image")
    # Of pixels around 0.5, so that cosines of both signs occur in inference mode too.
    norm = keras.layers.BatchNormalization(moving_mean_initializer=keras.initializers.Constant(0.5))
    hidden = norm(keras.layers.Flatten()(image))
    embedding = keras.layers.Dense(2)(hidden)
    logits = keras.layers.Dense(3)(embedding)
    network = keras.Model(image, {"logits": logits, "embedding": embedding})
    return network, network.get_weights()


def network():
    """The one network, with its first weights again: building others takes a fifth of the time."""
    network, weights = network_and_weights()
    network.set_weights(weights)
    return network


def batch():
    rng = np.random.default_rng(6)  # draws where the nearest candidates of all rules differ
    shapes = {"image": (), "positive": (), "pool": (2,)}
    images = {name: rng.random((8, *shape, 2, 2, 1), np.float32) for name, shape in shapes.items()}
    pool_label = np.repeat([[0, 0], [1, 2]], [7, 1], axis=0).astype(np.int32)
    labels = {"label": LABELS, "pool_label": pool_label, "step": np.zeros(8, np.int64)}
    return {name: tf.constant(value) for name, value in {**images, **labels}.items()}


@functools.cache
def updated(*given):
    """The loss, and the weights after one update, in one vector."""
    chosen = settings(*given)
    model = chosen.defense.build(network())
    model.compile(optimizer=chosen.make_optimizer())
    loss = model.train_step(batch())["loss"]
    return np.concatenate([np.ravel(value) for value in (loss, *model.network.get_weights())])


def assert_last_counts(*given):
    assert np.abs(updated(*given) - updated(*given[:-1])).max() > 1e-6


@pytest.mark.parametrize("flag", [*OF_ALL, *OF_ATTACK])
def test_of_adversarial_training(flag):
    assert_last_counts("--method=at", flag)


@pytest.mark.parametrize("flag", OF_PAIRING)
def test_of_logit_pairing(flag):
    assert_last_counts("--method=alp", flag)


@pytest.mark.parametrize("flag", OF_TERMS)
def test_of_the_terms_of_triplets(flag):
    assert_last_counts("--pool=batch", flag)


@pytest.mark.parametrize("pool", ["batch", "separate"])
@pytest.mark.parametrize("given", OF_TRIPLETS, ids=str.strip)
def test_of_the_triplet_loss(given, pool):
    assert_last_counts(f"--pool={pool}", *given.split())


@pytest.mark.parametrize("method", ["trades", "mart"])
def test_of_the_divergence(method):
    assert_last_counts(f"--method={method}", "--beta=1")


def test_of_the_optimiser():
    assert_last_counts("--method=at", "--optimizer=momentum", "--optimizer=nesterov")
    assert_last_counts("--method=at", "--schedule=onecycle", "--warmup_steps=7")


def test_where_candidates_come_from():
    assert_last_counts("--pool=batch", "--pool=separate")


@pytest.mark.parametrize(
    "given, streams",
    [
        ("--method=tla", ("positive", "pool")),
        ("--method=tla --positive=own", ("pool",)),
        ("--method=tla --anchor=clean", ("positive", "pool")),
        ("--method=tla_rn --positive=both", ("positive", "pool")),
        ("--method=tla_sa", ("positive", "pool")),
        ("--method=tla_sa --positive=own", ("pool",)),
    ],
)
def test_images_that_no_triplet_needs_are_not_drawn(given, streams):
    assert settings("--pool=separate", *given.split()).defense.streams == streams


def test_label_smoothing_is_in_the_attack_too():
    crafted = [
        settings("--method=at", flag).defense.build(network()).craft(batch())["adversarial"]
        for flag in ("--label_smoothing=0", "--label_smoothing=0.5")
    ]
    assert np.abs(crafted[0] - crafted[1]).max() > 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_label_smoothing_is_in_the_loss_of_every_method(method):
    """On the same adversarial images, which the smoothing would change, too."""
    plain, smooth = (
        settings(f"--method={method}", flag).defense.build(network())
        for flag in ("--label_smoothing=0", "--label_smoothing=0.5")
    )
    crafted = plain.craft(batch())
    (before, _), (after, _) = (model.loss_terms(batch(), crafted) for model in (plain, smooth))
    smoothed = [name for name in before if "cross_entropy" in name]
    assert len(smoothed) == (2 if method == "alp" else 1)
    assert all(np.abs(before[name] - after[name]).max() > 1e-3 for name in smoothed)


@pytest.mark.parametrize(
    "given",
    ["--method=um", "--method=at", "--method=alp", "--method=alp --attack_objective=full"]
    + ["--method=trades"],
)
def test_cutmix_is_in_the_loss_and_in_the_attack(given):
    """The cross entropies of an image with shares of two classes, and the attack that ascends."""
    model = settings("--cutmix=1", *given.split()).defense.build(network())
    shares = (np.eye(3)[LABELS] + np.eye(3)[(LABELS + 1) % 3]).astype(np.float32) / 2
    plain, mixed = batch(), {**batch(), "shares": tf.constant(shares)}
    crafted = model.craft(mixed)
    terms, _ = model.loss_terms(mixed, crafted)
    images = {"cross_entropy": crafted.get("adversarial", plain["image"])}
    images["clean_cross_entropy"] = plain["image"]
    for name in terms.keys() & images.keys():
        logits = model.network(images[name], training=True)["logits"]
        expected = -np.sum(shares * tf.nn.log_softmax(logits), axis=1)
        np.testing.assert_allclose(terms[name], expected, rtol=1e-4)
    if "at" in given or "alp" in given:
        assert np.abs(crafted["adversarial"] - model.craft(plain)["adversarial"]).max() > 1e-3


def test_cutmix_is_refused_where_an_image_needs_one_class():
    for method in ("mart", "tla"):
        with pytest.raises(UserError, match="--cutmix goes with --method=um, at, alp, trades"):
            settings(f"--method={method}", "--cutmix=1")


def test_one_step_is_that_of_its_paper():
    fgsm_rs, n_fgsm = (
        settings("--method=at", f"--inner_attack={name}").defense.inner_attack
        for name in ("fgsm_rs", "n_fgsm")
    )
    ball = ThreatModel(0.5, "l2")
    assert fgsm_rs == NoisyFGSM(ball, noise=1.0, step=1.25, projected=True)
    assert n_fgsm == NoisyFGSM(ball, noise=2.0, step=1.0, projected=False)


def test_pool_mul_is_the_number_of_candidates_per_anchor():
    run = training_run(TRAIN.parse(["--batch_size=8", "--pool=separate", "--pool_mul=3"]))
    spec = run.batches(data.open("digits").load("train", limit=20), 0, 1).element_spec
    assert spec["pool"].shape == (8, 3, 8, 8, 1) and "positive" in spec


def test_cutmix_mixes_the_images():
    run = training_run(TRAIN.parse(["--method=at", "--batch_size=8", "--cutmix=1"]))
    spec = run.batches(data.open("digits").load("train", limit=20), 0, 1).element_spec
    assert spec["shares"].shape == (8, 10)
