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
from tla_tf.options import TRAIN
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
# Of several flags in a line the last is the one in question.
OF_TRIPLETS = """
    --lambda_triplet=2
    --margin=0.9
    --embedding=logits
    --lambda_norm=0.2
    --norm_form=mean_sq
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
def first_weights():
    """Each call of the seed makes TensorFlow forget its kernels, which take most of the time."""
    keras.utils.set_random_seed(3)
    return built().get_weights()


def network():
    network, weights = built(), first_weights()
    network.set_weights(weights)
    return network


def built():
    image = keras.Input([2, 2, 1], name="image")
    # Of pixels around 0.5, so that cosines of both signs occur in inference mode too.
    norm = keras.layers.BatchNormalization(moving_mean_initializer=keras.initializers.Constant(0.5))
    hidden = norm(keras.layers.Flatten()(image))
    embedding = keras.layers.Dense(2)(hidden)
    logits = keras.layers.Dense(3)(embedding)
    return keras.Model(image, {"logits": logits, "embedding": embedding})


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


@pytest.mark.parametrize("pool", ["batch", "separate"])
@pytest.mark.parametrize("given", OF_TRIPLETS, ids=str.strip)
def test_of_the_triplet_loss(given, pool):
    assert_last_counts(f"--pool={pool}", *given.split())


@pytest.mark.parametrize("method", ["trades", "mart"])
def test_of_the_divergence(method):
    assert_last_counts(f"--method={method}", "--beta=1")
    assert_last_counts(f"--method={method}", "--label_smoothing=0.1")


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


def test_pool_mul_is_the_number_of_candidates_per_anchor():
    run = training_run(TRAIN.parse(["--batch_size=8", "--pool=separate", "--pool_mul=3"]))
    spec = run.batches(data.open("digits").load("train", limit=20), 0, 1).element_spec
    assert spec["pool"].shape == (8, 3, 8, 8, 1) and "positive" in spec


def test_cutmix_mixes_the_images_of_adversarial_training():
    run = training_run(TRAIN.parse(["--method=at", "--batch_size=8", "--cutmix=1"]))
    spec = run.batches(data.open("digits").load("train", limit=20), 0, 1).element_spec
    assert spec["shares"].shape == (8, 10)
