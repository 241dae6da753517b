"""Trains the same on each kind of strategy, for a few steps; run by test_multi_worker.py.

Processes of their own, since devices are divided, and workers found, before TensorFlow runs.
"""

from unittest import mock

import keras
import numpy as np
import tensorflow as tf

import hm_tf.train
import tla_tf.train
from hm_tf.triplets.pairs import pair_dataset
from robust_tf import data
from robust_tf.data import pipeline
from robust_tf.models.batch_norm import batch_norm
from robust_tf.runs.checkpoints import Checkpoints
from robust_tf.training import strategy, workers

STEPS, BATCH = 5, 16
TLA = [f"--batch_size={BATCH}", "--attack_steps=2", "--learning_rates=0.01"]
POOL = ["--method=tla", "--pool=batch", *TLA]
SEPARATE = [
    *("--method=tla", "--pool=separate", "--pool_mul=2", "--positive=both", "--own_noise=8/255"),
    *("--match_l2=0.5", "--negative=masked", "--optimizer=momentum", "--awp=0.01", "--ema=0.9"),
    *("--eps_warmup_steps=3", *TLA),
]
# A destination that needs all there is: a second draw and the losses of the step before.
HM = [
    *("--defense=hm", "--source=softhard", "--destination=gb:semihard", "--ics=0.5"),
    *(f"--batch_size={BATCH}", f"--shard_size={BATCH // 2}", "--weight_decay=4e-4"),
    "--eps_warmup_steps=3",
]
# Rounding comes to decide a discrete choice, and all differs, with a larger AWP.
AWP = ["--pgd_steps=3", "--pgd_step_size=0.02", "--awp=0.002"]
# What differs most in what replicas tell one another.
CASES = {
    "tla, pool=batch": (tla_tf.train, POOL),
    "tla, pool=separate": (tla_tf.train, SEPARATE),
    "hm & ics": (hm_tf.train, [*HM, *AWP]),
    "free hm": (hm_tf.train, [*HM, "--free=2"]),
}
# Replicas and workers divide them: how a method exchanges and what carries it are two things.
DIVIDED = {
    "device": CASES,
    "replicas": ("tla, pool=batch", "hm & ics"),
    "workers": ("tla, pool=separate", "free hm"),
}
# They exchange no more than means of gradients, of losses and of batch statistics.
SIMPLE = {
    "at": (tla_tf.train, ["--method=at", *TLA]),
    "alp": (tla_tf.train, ["--method=alp", *TLA]),
    "act": (hm_tf.train, ["--defense=act", *HM]),
    "est": (hm_tf.train, ["--defense=est", *HM]),
}
# Other computations: half of the candidates are gone, or there are more.
OTHERS = {
    "replicas": {"tla, pool=batch": (tla_tf.train, [*POOL, "--mining=replica"])},
    "device": {"free hm": (hm_tf.train, [*HM, "--free=2", f"--shard_size={BATCH}"])},
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


def trained(command, flags, chosen, steps=STEPS):
    """Losses of all steps, and the variables after them."""
    settings = command.training_run(command.TRAIN.parse(flags)).settings
    defense, digits = settings.defense, data.open("digits")
    examples, common = digits.load("train"), {"batch_size": BATCH, "seed": 0, "stop_step": steps}
    keras.utils.set_random_seed(0)
    with chosen.scope():
        if command is tla_tf.train:
            model = defense.build(network(unit=False))
            common |= {"streams": defense.streams, "pool_mul": settings.pool_mul}
            dataset = pipeline.train_dataset(examples, digits.info, **common)
        else:
            model = defense.build(network(unit=True), chosen.num_replicas_in_sync)
            dataset = pair_dataset(examples, digits.info, replays=defense.replays, **common)
        # Without traces it is the reference of both: they take longest, and other tests compile it.
        eager = chosen.num_replicas_in_sync == 1 or steps == 1
        model.compile(settings.make_optimizer(), jit_compile=False, run_eagerly=eager)
    losses = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: losses.append([float(v) for v in logs.values()])
    )
    model.fit(
        workers.divided(dataset, chosen),
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[log],
    )
    if hasattr(model, "previous_loss"):
        assert np.all(model.previous_loss.numpy() < 2), "the destination read no loss"
    variables = [*model.variables, *model.optimizer.variables]
    return {"losses": np.array(losses)} | {str(i): v.numpy() for i, v in enumerate(variables)}


def require_own_sums(worker, chosen, folder):
    """Every worker goes on from the sums of the metrics that it has made itself."""

    def checkpoints_and_total():
        with chosen.scope():
            model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
            model.compile("sgd", loss="mse")
            model.optimizer.build(model.trainable_variables)
        (total,) = model.metrics[0].variables[0].value.values
        return Checkpoints(folder, model, writes=worker.is_chief), total

    saved, total = checkpoints_and_total()
    total.assign(0.1 if worker.is_chief else 1000.0)
    saved.save(3)
    saved.wait()
    workers.Agreement(chosen).total([0])  # the other waits for the chief's file
    again, resumed = checkpoints_and_total()
    again.resume_interval(3)
    assert resumed.numpy() == total.numpy()


def require_rows_in_order(mirrored):
    """A worker of two devices gives each its rows of a batch."""
    batches = tf.data.Dataset.from_tensor_slices(tf.reshape(tf.range(8), [2, 4]))
    with mock.patch.object(workers, "on_several", return_value=True):
        divided = [
            mirrored.experimental_local_results(p) for p in workers.divided(batches, mirrored)
        ]
    assert np.array(divided).tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def main(output, every=False):
    """Saves all arrays in `output`, an .npz; as a worker where TF_CONFIG says so.

    Args:
        output: path.
        every: whether each kind of strategy trains all cases, the simple ones included.
    """
    worker = workers.this_worker()
    if worker.count > 1:
        strategies = {"workers": strategy.make_strategy("multi_worker", BATCH)}
        require_own_sums(worker, strategies["workers"], f"{output}.checkpoints")
    else:
        mirrored = strategy.make_strategy("mirrored", BATCH, logical_cpus=2)
        require_rows_in_order(mirrored)
        strategies = {"device": tf.distribute.get_strategy(), "replicas": mirrored}
    keras.config.set_dtype_policy("float64")
    # TensorFlow's optimiser of graphs takes a fifth of the time, and the same steps are compared.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    arrays, several = {}, {**CASES, **SIMPLE} if every else CASES
    for kind, chosen in strategies.items():
        runs = {
            case: trained(*several[case], chosen) for case in (several if every else DIVIDED[kind])
        }
        for case, settings in OTHERS.get(kind, {}).items():
            runs[f"other {case}"] = trained(*settings, chosen, steps=1)
        for case, found in runs.items():
            arrays |= {f"{kind}/{case}/{key}": value for key, value in found.items()}
    if worker.is_chief:
        np.savez(output, **arrays)
