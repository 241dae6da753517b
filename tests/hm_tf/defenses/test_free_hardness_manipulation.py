"""Free HM against an explicit loop in float64, its state, and who may not use it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_embedding import small_images, small_network
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from hm_tf.defenses.free_hardness_manipulation import FreeHardnessManipulation
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.triplets.pairs import pair_dataset
from robust_tf.attacks.pgd import PGD
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.errors import UserError
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.threat_model import ThreatModel

EPS, STEP, FREE, SIZE, RATE = 0.1, 0.04, 3, 12, 0.5
ATTACK = PGD(ThreatModel(EPS), FREE, STEP, random_start=False)


pytestmark = pytest.mark.usefixtures("float64")


def batch_of(step):
    """The batch of an update; FREE in a row have the same images."""
    examples = small_images(SIZE, seed=step // FREE)
    order = np.argsort(examples.labels, kind="stable")
    return {
        "image": tf.constant(examples.images[order] / 255.0),
        "label": tf.constant(examples.labels[order]),
        "step": tf.fill([SIZE], tf.constant(step, tf.int64)),
    }


def free(network, **settings):
    settings = {
        "source": "random",
        "destination": "-0.05",
        "ics": 0.5,
        "attack": ATTACK,
        **settings,
    }
    model = FreeHardnessManipulation(network, free=FREE, batch_size=SIZE, **settings)
    model.compile(optimizer=keras.optimizers.SGD(RATE))
    return model


def d(u, v):
    return tf.sqrt(tf.reduce_sum((u - v + 1e-6) ** 2, axis=1))


def test_updates_against_an_explicit_loop():
    network, copy = small_network(), small_network()
    model = free(network, ics=0.0, weight_decay=0.0)
    usual = HardnessManipulation(copy, source="random", destination="-0.05", attack=ATTACK, ics=0.0)
    usual.compile(optimizer=keras.optimizers.SGD(RATE))
    for step in range(2 * FREE):
        batch = batch_of(step)
        model.train_step(batch)
        if step % FREE == 0:  # the same draws as HM's, on the same weights
            triplets = usual.mine(batch, usual.embed(batch["image"]), "source")
            clean = [tf.gather(batch["image"], places) for places in triplets[:3]]
            images = list(clean)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            a, p, n = (copy(rows)["embedding"] for rows in images)
            hardness = d(a, p) - d(a, n)
            loss = tf.reduce_mean(tf.maximum(0.0, hardness + 0.2))
            lowered = tf.reduce_sum(tf.maximum(0.0, -0.05 - hardness) ** 2)
        for variable, slope in zip(
            copy.trainable_variables, tape.gradient(loss, copy.trainable_variables)
        ):
            variable.assign_sub(RATE * slope)
        moved = [
            x - STEP * tf.sign(slope) for x, slope in zip(images, tape.gradient(lowered, images))
        ]
        images = [
            tf.clip_by_value(tf.clip_by_value(x, c - EPS, c + EPS), 0.0, 1.0)
            for x, c in zip(moved, clean)
        ]
        for found, expected in zip(network.get_weights(), copy.get_weights()):
            np.testing.assert_allclose(found, expected, atol=1e-12)
        change = tf.stack([x - c for x, c in zip(images, clean)], axis=1)
        np.testing.assert_allclose(model.perturbation, change, atol=1e-12)
    assert np.abs(change).max() > STEP  # kept from one update to the next


def test_a_triplet_with_loss_0_is_attacked_and_one_at_its_destination_is_not():
    attacked = free(small_network(), destination="2", margin=0.0)
    batch = batch_of(0)
    terms, monitors = attacked.loss_terms(batch, attacked.craft(batch))
    assert np.any((terms["triplet"] == 0) & (monitors["hardness"] < 0))
    assert np.all(np.any(attacked.perturbation != 0, axis=(1, 2, 3, 4)))
    still = free(small_network(), destination="-2")
    still.train_step(batch)
    assert np.all(still.perturbation == 0)


def test_a_saturated_shard_stays_until_the_next_batch():
    model = free(small_network())
    model.train_step(batch_of(0))
    model.going.assign([0.0])
    before = model.perturbation.numpy()
    model.train_step(batch_of(1))
    np.testing.assert_allclose(model.perturbation, before, atol=1e-12)
    model.train_step(batch_of(FREE))
    assert model.going.numpy() == 1


def test_it_goes_on_in_the_middle_of_a_batch(tmp_path):
    whole, stopped = free(small_network()), free(small_network())
    for step in range(FREE + 2):
        whole.train_step(batch_of(step))
        if step <= FREE:
            stopped.train_step(batch_of(step))
    with Checkpoints(tmp_path, stopped) as checkpoints:
        checkpoints.save(FREE + 1)
    resumed = free(small_network(seed=1))
    assert Checkpoints(tmp_path, resumed).restore_latest() == FREE + 1
    resumed.train_step(batch_of(FREE + 1))
    for found, expected in zip(resumed.variables, whole.variables):
        np.testing.assert_array_equal(found, expected)
    assert np.any(resumed.perturbation != 0)


def test_the_radius_grows():
    """In the first of six updates a step has a sixth of its length, in the second a third."""
    model = free(small_network(), destination="2", eps_warmup_steps=6)
    model.train_step(batch_of(0))
    np.testing.assert_allclose(np.abs(model.perturbation).max(), STEP / 6, atol=1e-12)
    model.perturbation.assign(tf.ones_like(model.perturbation))
    crafted = model.craft({**batch_of(1), "eps_share": tf.constant(1 / 3, tf.float64)})
    expected = np.minimum(crafted["clean"] + EPS / 3, 1.0)
    np.testing.assert_allclose(crafted["images"], expected, atol=1e-12)


def test_batches_are_replayed():
    examples = small_images(SIZE)
    info = DatasetInfo("small", (4, 4, 1), tuple("abcd"), {}, "")
    settings = {"batch_size": 4, "seed": 0}
    usual = list(pair_dataset(examples, info, stop_step=3, **settings))
    free = list(pair_dataset(examples, info, start_step=2, stop_step=9, replays=3, **settings))
    for number, batch in enumerate(free, start=2):
        np.testing.assert_array_equal(batch["image"], usual[number // 3]["image"])
        assert set(batch["step"].numpy()) == {number}


def test_mistakes():
    network = small_network()
    with pytest.raises(UserError, match="first update"):
        FreeHardnessManipulation(network, free=1, batch_size=SIZE)
    with pytest.raises(UserError, match="--awp"):
        free(network, awp=0.1)
    batch = batch_of(0)
    with pytest.raises(UserError, match="--free"):
        free(network).craft({**batch, "plain": True})


def test_a_gpu_can_hold_all_of_its_state():
    """A variable of a type without a kernel there stays with the processor, and XLA refuses it."""
    model = free(small_network())
    held = {
        tf.as_dtype(number)
        for kernel in get_registered_kernels_for_op("VarHandleOp").kernel
        if kernel.device_type in ("GPU", "DEFAULT")
        for number in kernel.constraint[0].allowed_values.list.type
    }
    state = [*model.variables, *model.optimizer.variables]
    assert tf.int32 not in held and {tf.as_dtype(v.dtype) for v in state} <= held
