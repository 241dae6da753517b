"""A SavedModel's endpoint against the bare network, with and without the guard, and a search.

Times are CPU times, which other work on the machine changes little.
"""

import functools
import tempfile
import time
import types

import numpy as np
import tensorflow as tf

from benchmarks import rounds
from benchmarks.retrieval import unit_embeddings
from hm_tf.evaluation.nearest_images import NearestImages
from robust_tf.export.endpoints import Endpoint, classifier_answer, float_endpoint
from robust_tf.export.saved_model import write_saved_model
from robust_tf.models import registry

BATCHES = (1, 64)
# Network -> shape of its images. The weights are random: they do not change the time.
NETWORKS = {
    "digits_cnn": (8, 8, 1),
    "lenet_large": (28, 28, 1),
    "wrn_10_4": (32, 32, 3),
}
GALLERY = (60_502, 512)  # Stanford Online Products


def run(options):
    """Measures and prints."""
    print(rounds.conditions(options.rounds))
    for name, shape in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            _measure_network(name, shape, folder, options.rounds)
    _measure_search(options.rounds)


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
    write_saved_model(f"{folder}/1", network, [guarded, unguarded, bare])
    loaded = tf.saved_model.load(f"{folder}/1")
    draw = np.random.default_rng(0)
    for batch in BATCHES:
        images = tf.constant(draw.uniform(size=[batch, *shape]).astype(np.float32))
        rows = {
            kind: functools.partial(_answer, loaded.signatures[kind], images)
            for kind in ("bare", "unguarded", "serving_default")
        }
        seconds = rounds.measure(rows, count, clock=time.process_time)
        print(f"\n{name}, batch {batch}")
        rounds.show_times(seconds)
        served, unguarded, bare = (
            seconds[kind] for kind in ("serving_default", "unguarded", "bare")
        )
        rounds.show_ratios(
            [
                ("serving_default / unguarded", served / unguarded, "<= 1.02 at batch 64"),
                ("serving_default / bare network", served / bare, "<= 1.05"),
            ]
        )


def _answer(signature, images):
    signature(image=images)["logits"].numpy()


def _measure_search(count):
    draw = np.random.default_rng(0)
    names = [f"{row}.jpg" for row in range(GALLERY[0])]
    nearest = tf.function(NearestImages(unit_embeddings(*GALLERY, draw), names, 10))
    query = tf.constant(unit_embeddings(1, GALLERY[1], draw))
    print(f"\nsearch, gallery {GALLERY}, one query; goal: below 50 ms on two processors")
    rows = {"search": lambda: nearest(query)["ids"].numpy()}
    rounds.show_times(rounds.measure(rows, count, clock=time.process_time))
