"""The table of passes against the passes that the steps really make."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import hm_tf.defenses.build
import hm_tf.defenses.passes
import hm_tf.options
import tla_tf.defenses.build
import tla_tf.defenses.passes
import tla_tf.options
from hm_tf.defenses.objectives import HardnessObjective
from robust_tf.models import embedding_registry, registry
from robust_tf.training.passes import Passes, forward_flop

BATCH, POOL_MUL = 8, 3
SEPARATE = ["--method=tla", "--pool=separate", f"--pool_mul={POOL_MUL}"]
STEPS = 4


class CountingNetwork:
    """Counts the images of each kind of pass."""

    def __init__(self, network):
        self.network = network
        self.kind = "forward"
        self.images = dict.fromkeys(Passes._fields, 0)

    def __call__(self, images, training=False):
        self.images[self.kind] += images.shape[0]
        return self.network(images, training=training)


def counted(model, batch):
    """The `Passes` of a step, which runs eagerly."""
    model.network = network = CountingNetwork(model.network)
    if model.attack is not None:
        ascend = model.attack.ascend

        def watched(*args, **kw):
            network.kind = "input_gradient"
            attacked = ascend(*args, **kw)
            network.kind = "forward"
            return attacked

        object.__setattr__(model.attack, "ascend", watched)
    crafted = model.craft(batch)
    network.kind = "training"
    model.loss_terms(batch, crafted)
    return Passes(**{kind: images / BATCH for kind, images in network.images.items()})


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)

    def images(*sizes):
        return tf.constant(random.random([*sizes, 8, 8, 1]), tf.float32)

    return {
        "image": images(BATCH),
        "label": tf.constant(np.arange(BATCH) // 2, tf.int32),
        "step": tf.zeros([BATCH], tf.int64),
        "positive": images(BATCH),
        "pool": images(BATCH, POOL_MUL),
        "pool_label": tf.constant(random.integers(0, 4, [BATCH, POOL_MUL]), tf.int32),
    }


@pytest.mark.parametrize(
    "flags",
    [
        ["--method=um"],
        ["--method=at"],
        ["--method=alp"],
        ["--method=tla", "--pool=batch"],
        ["--method=tla", "--pool=batch", "--own_noise=8/255"],
        ["--method=tla", "--pool=batch", "--positive=both", "--own_noise=8/255"],
        ["--method=tla_sa", "--pool=batch", "--match_l2=0.1"],
        SEPARATE,
        [*SEPARATE, "--positive=own"],
        [*SEPARATE, "--positive=both"],
        [*SEPARATE, "--match_l2=0.1"],
    ],
    ids=" ".join,
)
def test_passes_of_tla_tf(batch, flags):
    attack = [] if "--method=um" in flags else [f"--attack_steps={STEPS}"]
    options = tla_tf.options.TRAIN.parse([*flags, *attack])
    settings = tla_tf.defenses.build.DefenseSettings.read(options.method, options.arguments)
    image = keras.Input([8, 8, 1])
    embedding = keras.layers.Dense(3)(keras.layers.Flatten()(image))
    outputs = {"logits": keras.layers.Dense(4)(embedding), "embedding": embedding}
    model = settings.build(keras.Model(image, outputs))
    assert tla_tf.defenses.passes.passes(settings, options.pool_mul) == counted(model, batch)


@pytest.mark.parametrize(
    "flags",
    [
        ["--defense=none"],
        ["--defense=est"],
        ["--defense=ses"],
        ["--defense=act"],
        ["--defense=minmax"],
        ["--defense=hm", "--destination=hardest", "--ics=0.5"],
        ["--defense=hm", "--destination=hardest", "--ics=0"],
        ["--destination=hardest", "--ics=0.5", "--ics_triplet=a,p,n"],
        ["--destination=hardest", "--ics=0.5", "--ics_triplet=a,a~,n~"],
        ["--defense=hm", "--source=semihard", "--destination=semihard"],
    ],
    ids=" ".join,
)
def test_passes_of_hm_tf(batch, flags, monkeypatch):
    monkeypatch.setattr(HardnessObjective, "saturated", None)  # all steps are made
    sizes = [f"--batch_size={BATCH}", f"--shard_size={BATCH}"]
    attack = [] if "--defense=none" in flags else [f"--pgd_steps={STEPS}"]
    options = hm_tf.options.TRAIN.parse([*flags, *sizes, *attack])
    settings = hm_tf.defenses.build.DefenseSettings.read(options.defense, options.arguments)
    image = keras.Input([8, 8, 1])
    embedding = keras.layers.UnitNormalization()(
        keras.layers.Dense(3)(keras.layers.Flatten()(image))
    )
    model = settings.build(keras.Model(image, {"embedding": embedding}))
    assert hm_tf.defenses.passes.passes(settings) == counted(model, batch)


def test_passes_of_free_hm(batch):
    """Over all updates of a batch; the forward pass of the step is the one that trains."""
    sizes = [f"--batch_size={BATCH}", f"--shard_size={BATCH}"]
    options = hm_tf.options.TRAIN.parse([*sizes, f"--free={STEPS}"])
    settings = hm_tf.defenses.build.DefenseSettings.read(options.defense, options.arguments)
    image = keras.Input([8, 8, 1])
    vector = keras.layers.Dense(3)(keras.layers.Flatten()(image))
    embedding = keras.layers.UnitNormalization()(vector)
    model = settings.build(keras.Model(image, {"embedding": embedding}))
    model.network = network = CountingNetwork(model.network)
    for step in range(STEPS):
        network.kind = "forward"
        crafted = model.craft({**batch, "step": tf.fill([BATCH], tf.constant(step, tf.int64))})
        network.kind = "training"
        model.loss_terms(batch, crafted)
    found = Passes(**{kind: images / BATCH / STEPS for kind, images in network.images.items()})
    expected = hm_tf.defenses.passes.passes(settings)
    assert expected.input_gradient == 0.75
    assert found == expected._replace(input_gradient=0)


def test_forwards_of_passes():
    assert Passes(forward=1, input_gradient=7, training=2).forwards == 1 + 14 + 6


def test_flop_of_a_forward_pass():
    image = keras.Input([8, 8, 3])
    hidden = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False)(image)
    hidden = keras.layers.DepthwiseConv2D(3, padding="same")(hidden)
    logits = keras.layers.Dense(7)(keras.layers.Flatten()(hidden))
    convolution, depthwise, dense = 4 * 4 * 5 * 27, 4 * 4 * 5 * 9, 80 * 7
    expected = 2 * (convolution + depthwise + dense)
    assert forward_flop(keras.Model(image, {"logits": logits})) == expected


def test_flop_of_published_networks():
    from robust_tf import data

    # ResNet-18 at 224 pixels has 1.82 G multiplications (He et al. 2016, table 1: 1.8), at 64
    # pixels (64 / 224)^2 of them; wide networks 28-10 5.2 G (Zagoruyko and Komodakis 2016).
    wide = registry.get("wrn_28_10", data.open("cifar10").info)
    assert forward_flop(wide) / 2e9 == pytest.approx(5.2, rel=0.02)
    small = embedding_registry.get_embedding("resnet18", data.open("cub200").info, "live")
    scale = (small.input_shape[1] / 224) ** 2
    assert forward_flop(small) / 2e9 == pytest.approx(1.82 * scale, rel=0.02)
