"""Trains HM & ICS on one device with two shards and on two replicas; run by test_replicas.py.

A process of its own, since the processor can be divided only before TensorFlow runs anything.

Usage: replica_worker.py PRECISION DESTINATION OUTPUT.npz UPDATES_PER_BATCH
"""

import functools
import sys

import keras
import numpy as np
import tensorflow as tf

from hm_tf.defenses.free_hardness_manipulation import FreeHardnessManipulation
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.triplets.pairs import pair_dataset
from robust_tf import data
from robust_tf.attacks.pgd import PGD
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.threat_model import ThreatModel
from robust_tf.training import strategy

STEPS, BATCH, SHARDS = 5, 32, 2


def main(precision, destination, output, replays):
    keras.config.set_dtype_policy(precision)
    mirrored = strategy.make_strategy("mirrored", BATCH, logical_cpus=2)
    one_device = tf.distribute.get_strategy()
    cases = {
        "1": (one_device, SHARDS),
        "2": (mirrored, SHARDS // 2),
        "joint": (one_device, 1),
    }
    arrays = {}
    for case, (chosen, shards) in cases.items():
        for name, value in train(chosen, shards, destination, int(replays)).items():
            arrays[f"{case} {name}"] = value
    np.savez(output, **arrays)


def train(chosen, shards, destination, replays):
    info = data.open("digits").info
    examples = data.open("digits").load("train")
    pairs = {"batch_size": BATCH, "seed": 0, "stop_step": STEPS, "replays": replays}
    dataset = pair_dataset(examples, info, **pairs)
    # from 0.005 on rounding comes to decide a discrete choice, and all differs
    defense, awp = HardnessManipulation, 0.002
    if replays > 1:
        kept = {"free": replays, "batch_size": BATCH}
        defense, awp = functools.partial(FreeHardnessManipulation, **kept), 0.0
    keras.utils.set_random_seed(0)
    with chosen.scope():
        model = defense(
            get_embedding("digits_embedding", info),
            source="softhard",
            destination=destination,
            attack=PGD(ThreatModel(0.1), 3, 0.02, random_start=False),
            ics=0.5,
            awp=awp,
            weight_decay=4e-4,
            eps_warmup_steps=3,
            shards=shards,
        )
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
    losses = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: losses.append([float(v) for v in logs.values()])
    )
    model.fit(dataset, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[log])
    variables = [*model.variables, *model.optimizer.variables]
    return {
        "losses": np.array(losses),
        "previous_loss": model.previous_loss.numpy(),
        **{str(i): v.numpy() for i, v in enumerate(variables)},
    }


if __name__ == "__main__":
    if tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")
    main(*sys.argv[1:])
