"""Trains every method for a few steps on each kind of strategy; run by test_multi_worker.py.

Processes of their own, since devices are divided, and workers found, before TensorFlow runs.

Usage: multi_worker.py OUTPUT.npz, as a worker where TF_CONFIG says so
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import hm_tf.defenses.build
import hm_tf.options
import tla_tf.defenses.build
import tla_tf.options
from hm_tf.triplets.pairs import pair_dataset
from robust_tf import data
from robust_tf.data import pipeline
from robust_tf.models.batch_norm import batch_norm
from robust_tf.training import strategy, workers
from robust_tf.training.optimizer import make_optimizer

STEPS, BATCH = 5, 16
TLA = [f"--batch_size={BATCH}", "--attack_steps=2"]
HM = [f"--batch_size={BATCH}", f"--shard_size={BATCH // 2}", "--pgd_steps=2"]
CASES = {
    "at": (tla_tf, ["--method=at", "--optimizer=momentum", *TLA]),
    "alp": (tla_tf, ["--method=alp", *TLA]),
    "tla, pool=batch": (tla_tf, ["--method=tla", "--pool=batch", *TLA]),
    "tla, pool=separate": (
        tla_tf,
        ["--method=tla", "--pool=separate", "--pool_mul=2", "--positive=both", *TLA],
    ),
    "hm & ics": (hm_tf, ["--defense=hm", "--destination=lga", "--ics=0.5", *HM]),
    "act": (hm_tf, ["--defense=act", *HM]),
    "est": (hm_tf, ["--defense=est", *HM]),
}


def network(unit):
    image = keras.Input([8, 8, 1])
    hidden = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(image)
    hidden = keras.layers.ReLU()(batch_norm()(hidden))
    embedding = keras.layers.Dense(6)(keras.layers.Flatten()(hidden))
    if unit:
        return keras.Model(image, {"embedding": keras.layers.UnitNormalization()(embedding)})
    outputs = {"logits": keras.layers.Dense(10)(embedding), "embedding": embedding}
    return keras.Model(image, outputs)


def trained(package, flags, chosen):
    """Losses of all steps, and the variables after them."""
    options = package.options.TRAIN.parse(flags)
    digits = data.open("digits")
    examples, common = digits.load("train"), {"batch_size": BATCH, "seed": 0, "stop_step": STEPS}
    keras.utils.set_random_seed(0)
    with chosen.scope():
        if package is tla_tf:
            settings = tla_tf.defenses.build.DefenseSettings.read(options.method, options.arguments)
            model = settings.build(network(unit=False))
            common |= {"streams": settings.streams, "pool_mul": options.pool_mul}
            dataset = pipeline.train_dataset(examples, digits.info, **common)
        else:
            settings = hm_tf.defenses.build.DefenseSettings.read(options.defense, options.arguments)
            model = settings.build(network(unit=True), chosen.num_replicas_in_sync)
            dataset = pair_dataset(examples, digits.info, **common)
        optimizer = make_optimizer(0.01, name=options.values.get("optimizer") or "adam")
        model.compile(optimizer=optimizer)
    losses = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: losses.append([float(v) for v in logs.values()])
    )
    model.fit(
        workers.divided(dataset, chosen),
        steps_per_epoch=STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[log],
    )
    variables = [*model.network.variables, *model.optimizer.variables]
    return {"losses": np.array(losses)} | {str(i): v.numpy() for i, v in enumerate(variables)}


def main(output):
    worker = workers.this_worker()
    if worker.count > 1:
        strategies = {"workers": strategy.make_strategy("multi_worker", BATCH)}
    else:
        mirrored = strategy.make_strategy("mirrored", BATCH, logical_cpus=2)
        strategies = {"device": tf.distribute.get_strategy(), "replicas": mirrored}
    keras.config.set_dtype_policy("float64")
    arrays = {
        f"{name}/{case}/{key}": value
        for name, chosen in strategies.items()
        for case, settings in CASES.items()
        for key, value in trained(*settings, chosen).items()
    }
    if worker.is_chief:
        np.savez(output, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
