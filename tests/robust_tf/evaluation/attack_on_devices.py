"""Attacks the same images on one device and on two; run by test_attack_on_devices.py.

A process of its own, since the processor can be divided only before TensorFlow runs anything.
"""

import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

import tla_tf.evaluate
from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet
from hm_tf.evaluation.ranking_batch import Ranker, compile_ranking_attack
from hm_tf.ranking_attacks import registry as ranking_attacks
from robust_tf import data, randomness
from robust_tf.attacks import presets
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.pgd import PGD
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.results.result import read_results
from robust_tf.threat_model import ThreatModel
from robust_tf.training import strategy

IMAGES, BATCH = 91, 16  # the last batch is not full, and the devices do not divide it
BALL = ThreatModel(0.05)


def classifier(weights=None):
    image = keras.Input([8, 8, 1])
    embedding = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(image))
    unit = keras.layers.UnitNormalization()(embedding)
    logits = keras.layers.Dense(10)(embedding)
    network = keras.Model(image, {"logits": logits, "embedding": unit})
    if weights:
        network.set_weights(weights)
    return network


def trained():
    """A classifier that resists some attacks, so that outcomes differ from image to image."""
    keras.utils.set_random_seed(0)
    network, train = classifier(), data.open("digits").load("train")
    plain = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    plain.fit(train.images / 255.0, train.labels, epochs=3, verbose=0)
    return network


def attacked(examples, weights, jit_compile=False):
    """Outputs of an attack on a classifier, and how many images each device has classified."""
    network = classifier(weights)
    seen = tf.Variable(
        0,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )

    def logits_fn(images):
        seen.assign_add(tf.shape(images)[0])
        return network(images, training=False)["logits"]

    preset = presets.get("2pgd5", BALL)
    attack = classify_attacked(logits_fn, examples.labels, preset, keep=["image"])
    attack = CompiledBatch(attack, jit_compile=jit_compile)
    runs = attack_loop(attack, examples, restarts=2, active="correct", title="pgd", **SETTINGS)
    local = tf.distribute.get_strategy().experimental_local_results(seen)
    return runs, [int(count) for count in local]


def ranked(examples, weights, name, xla=False):
    """Outputs of a ranking attack."""
    network = classifier(weights)
    test_set = EmbeddedTestSet(network, examples, batch_size=BATCH)
    ranker, key = Ranker.of(network, test_set), randomness.key(0, 0, name)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        copies = tf.distribute.get_strategy().experimental_local_results(ranker.gallery._centred)
        assert len({copy.device for copy in copies}) == len(copies)  # the whole on each device
    pgd = PGD(BALL, 3, random_start=False)
    attack = compile_ranking_attack(ranking_attacks.get(name, "fixed"), pgd, key, ranker, xla=xla)
    return attack_loop(attack, examples, test_set.queries, title=name, **SETTINGS)


def evaluated(path, *devices):
    """The accuracies that the command records."""
    flags = [f"--model={path}", "--dataset=digits", "--eps=0.05", "--attacks=clean,pgd5"]
    more = [f"--limit_test={IMAGES}", "--batch_size=16", "--fresh", *devices]
    assert tla_tf.evaluate.main(["evaluate", *flags, *more]) == 0
    found = read_results(path.with_name(f"{path.name}.evaluation") / "results.jsonl")
    return [(result.attack, result.value) for result in found][-3:]


SETTINGS = {"batch_size": BATCH, "progress": False}


def main(folder):
    found = {}
    devices = strategy.all_devices(4)  # first of all
    examples = data.open("digits").load("test", IMAGES)
    network = trained()
    weights = network.get_weights()
    for count in (1, 2):
        chosen = tf.distribute.MirroredStrategy(devices[:count])
        with (chosen if count > 1 else tf.distribute.get_strategy()).scope():
            ranking = [ranked(examples, weights, name) for name in ("QA+",)]
            found[count] = [attacked(examples, weights), *ranking]
            if count > 1:
                with warnings.catch_warnings(action="error"):  # that XLA refuses
                    compiled = [attacked(examples, weights, jit_compile=True)[0]]
                    compiled += [ranked(examples, weights, name, xla=True) for name in ("QA+",)]
    (first, work), *others = found[1]
    assert 0 < first[0]["correct"].sum() < IMAGES
    (runs, share), *ranking = found[2]
    # As much on each device; together somewhat more, since batches are filled up.
    assert len(share) == 2 and len(set(share)) == 1, share
    assert work[0] <= sum(share) <= 1.5 * work[0], (share, work)
    pairs = zip([first, *others] * 2, [runs, *ranking, *compiled], strict=True)
    for expected, outputs in pairs:
        for one, other in zip(expected, outputs, strict=True):
            for name, values in one.items():
                np.testing.assert_allclose(other[name], values, atol=1e-6, err_msg=name)
    path = pathlib.Path(folder) / "network.keras"
    network.save(path)
    alone = evaluated(path, "--strategy=one_device")
    assert evaluated(path, "--logical_cpus=4") == alone
    assert 0 < alone[1][1] < alone[0][1]
