"""Trains a few steps on 1 and on 2 replicas and saves every weight; run by test_replicas.py.

A process of its own, since the processor can be divided only before TensorFlow runs anything.

Usage: replica_worker.py PRECISION OUTPUT.npz [flags of tla_tf.train]
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from absl import flags as absl_flags

from robust_tf import data
from robust_tf.cli import recipe
from robust_tf.data import pipeline
from robust_tf.models import registry as models
from robust_tf.training import strategy
from tla_tf import config, flags

STEPS = 5


def main(precision, output, *arguments):
    keras.config.set_dtype_policy(precision)  # float64 is no choice of the flag
    info = data.open("digits").info
    options = absl_flags.FlagValues()
    flags.define_train(options)
    options(["train", *recipe.combine(list(arguments), lambda _: "digits", "tla")])
    mirrored = strategy.make_strategy("mirrored", options.batch_size, logical_cpus=2)
    arrays = {}
    for replicas, chosen in ((1, tf.distribute.get_strategy()), (2, mirrored)):
        for name, value in train(options, info, chosen).items():
            arrays[f"{replicas} {name}"] = value
    np.savez(output, **arrays)


def train(options, info, chosen):
    dataset = pipeline.train_dataset(
        data.open("digits").load("train"),
        info,
        batch_size=options.batch_size,
        seed=0,
        stop_step=STEPS,
        streams=config.streams(options),
        pool_mul=options.pool_mul,
    )
    keras.utils.set_random_seed(0)
    with chosen.scope():
        model = config.defense(options, models.get(options.model, info))
        model.compile(optimizer=config.optimizer(options))
    losses = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: losses.append([float(v) for v in logs.values()])
    )
    model.fit(dataset, steps_per_epoch=STEPS, shuffle=False, verbose=0, callbacks=[log])
    variables = [*model.variables, *model.optimizer.variables]
    return {"losses": np.array(losses)} | {str(i): v.numpy() for i, v in enumerate(variables)}


if __name__ == "__main__":
    if tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")
    main(*sys.argv[1:])
