"""Trains a few steps on 1 and on 2 replicas and saves every weight; run by test_replicas.py.

A process of its own, since the processor can be divided only before TensorFlow runs anything.

Usage: replica_worker.py PRECISION OUTPUT.npz [flags of tla_tf.train]
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from robust_tf import data
from robust_tf.data import pipeline
from robust_tf.models import registry as models
from robust_tf.training import strategy
from tla_tf.options import TRAIN
from tla_tf.train import training_run

STEPS = 5


def main(precision, output, *arguments):
    keras.config.set_dtype_policy(precision)  # float64 is no choice of the flag
    info = data.open("digits").info
    settings = training_run(TRAIN.parse(list(arguments))).settings
    mirrored = strategy.make_strategy("mirrored", settings.batch_size, logical_cpus=2)
    arrays = {}
    for replicas, chosen in ((1, tf.distribute.get_strategy()), (2, mirrored)):
        for name, value in train(settings, info, chosen).items():
            arrays[f"{replicas} {name}"] = value
    np.savez(output, **arrays)


def train(settings, info, chosen):
    dataset = pipeline.train_dataset(
        data.open("digits").load("train"),
        info,
        batch_size=settings.batch_size,
        seed=0,
        stop_step=STEPS,
        streams=settings.defense.streams,
        pool_mul=settings.pool_mul,
    )
    keras.utils.set_random_seed(0)
    with chosen.scope():
        model = settings.defense.build(models.get(settings.model, info))
        model.compile(optimizer=settings.make_optimizer())
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
