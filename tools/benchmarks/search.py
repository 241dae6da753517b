"""The endpoint `search` of a SavedModel on a gallery of random unit embeddings.

The image is checked and embedded, its nearest images are found and compared with brute force.
"""

import tempfile
import time
import types

import numpy as np
import tensorflow as tf

from benchmarks import rounds
from benchmarks.retrieval import unit_embeddings
from hm_tf.evaluation.nearest_images import NearestImages
from robust_tf.export.endpoints import float_endpoint
from robust_tf.export.saved_model import write_saved_model
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.models.output_of import output_of

SHAPE, WIDTH = (28, 28, 1), 512  # of an image, and of its embedding by c2f2
NEAREST = 10
QUERIES = (1, 16)  # of one request
GOAL = 0.05  # seconds of one query


def run(options):
    """Measures and prints."""
    draw = np.random.default_rng(0)
    info = types.SimpleNamespace(name="toy", image_shape=SHAPE, num_classes=10, standardize=False)
    network = get_embedding("c2f2", info, "live")
    gallery = unit_embeddings(options.images, WIDTH, draw)
    nearest = NearestImages(gallery, [f"{row}.jpg" for row in range(options.images)], NEAREST)
    embed = output_of(network, "embedding")
    endpoint = float_endpoint("serving_default", lambda x: nearest(embed(x)), SHAPE, "")
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(f"{folder}/1", [endpoint], [nearest])
        loaded = tf.saved_model.load(f"{folder}/1")
    print(f"gallery {gallery.shape}, {NEAREST} nearest, {rounds.conditions(options.rounds)}")
    for count in QUERIES:
        images = tf.constant(draw.uniform(size=[count, *SHAPE]).astype(np.float32))
        _measure(loaded.signatures["serving_default"], images, options.rounds)
        found = loaded.signatures["serving_default"](image=images)["ids"].numpy()
        exact = np.argsort(-(embed(images).numpy() @ gallery.T), axis=1)[:, :NEAREST]
        print(f"rows of another order than by brute force: {np.sum(found != exact)}")


def _measure(search, images, count):
    rows = {f"{len(images)} queries": lambda: search(image=images)["ids"].numpy()}
    print("\nwall time" + (f"; goal: {1000 * GOAL:.0f} ms on two processors" * (len(images) == 1)))
    rounds.show_times(rounds.measure(rows, count))
    print("\nCPU time")
    rounds.show_times(rounds.measure(rows, count, clock=time.process_time))
