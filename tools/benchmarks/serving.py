"""A SavedModel's endpoint against the bare network, with and without the guard.

The weights are random. Wall time is what a user waits for, on an idle machine; other work changes
CPU time little.
"""

import functools
import tempfile
import types

import numpy as np
import tensorflow as tf

from benchmarks import rounds
from robust_tf.export.endpoints import Endpoint, classifier_answer, float_endpoint
from robust_tf.export.saved_model import write_saved_model
from robust_tf.models import registry

BATCHES = {1: 20, 64: 1}  # images of a request -> calls of one timing
# Network -> shape of its images. The weights are random: they do not change the time.
NETWORKS = {
    "digits_cnn": (8, 8, 1),
    "lenet_large": (28, 28, 1),
    "wrn_10_4": (32, 32, 3),
}


def run(options):
    """Measures and prints."""
    print(rounds.conditions(options.rounds))
    for name, shape in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            _measure_network(name, shape, folder, options.rounds)


def _measure_network(name, shape, folder, count):
    info = types.SimpleNamespace(
        name="toy", image_shape=shape, num_classes=10, standardize=shape[-1] == 3
    )
    network = registry.get(name, info)
    answer = classifier_answer(network, [str(k) for k in range(10)])
    spec = tf.TensorSpec([None, *shape], tf.float32, name="image")
    bare = Endpoint("bare", lambda image: network(image, training=False), spec, "")
    unguarded = Endpoint("unguarded", answer, spec, "")
    guarded = float_endpoint("serving_default", answer, shape, "")
    write_saved_model(f"{folder}/1", [guarded, unguarded, bare])
    loaded = tf.saved_model.load(f"{folder}/1")
    draw = np.random.default_rng(0)
    for batch, calls in BATCHES.items():
        images = tf.constant(draw.uniform(size=[batch, *shape]).astype(np.float32))
        rows = {
            kind: functools.partial(_answer, loaded.signatures[kind], images)
            for kind in ("bare", "unguarded", "serving_default")
        }
        for title, clock in rounds.CLOCKS.items():
            print(f"\n{name}, batch {batch}, {title}")
            _show(rounds.measure(rows, count, clock=clock, calls=calls))


def _show(seconds):
    rounds.show_times(seconds)
    served, unguarded, bare = (seconds[kind] for kind in ("serving_default", "unguarded", "bare"))
    added = [1e6 * np.median(of - bare) for of in (unguarded, served)]
    print("beside the bare network: answers {:.0f} µs, answers and guard {:.0f} µs".format(*added))
    rounds.show_ratios(
        [
            ("serving_default / unguarded", served / unguarded, "<= 1.02 at batch 64"),
            ("serving_default / bare network", served / bare, "<= 1.05"),
        ]
    )


def _answer(signature, images):
    signature(image=images)["logits"].numpy()
