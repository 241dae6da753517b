"""Retrieval metrics of random unit embeddings against the bare matrix product.

With class sizes like those of Stanford Online Products, and with few big classes.
"""

import functools
import time

import numpy as np

from benchmarks import rounds
from benchmarks.peak_memory import HOW, mebibytes, peak_memory
from robust_tf.evaluation import retrieval
from robust_tf.evaluation.row_blocks import row_blocks

MOST_OF_A_CLASS = 12  # of Stanford Online Products


def run(options):
    """Measures and prints."""
    random = np.random.default_rng(0)
    embeddings = unit_embeddings(options.images, options.width, random)
    variants = {
        f"{options.classes} classes": small_classes(options.images, options.classes, random),
        f"{options.big_classes} classes": np.arange(options.images) % options.big_classes,
    }
    queries = embeddings[: options.queries]
    print(
        f"{options.images} x {options.width} random unit embeddings, {len(queries)} queries a row; "
        f"{rounds.conditions(options.rounds)}"
    )
    rows = {"matrix product": functools.partial(_products, embeddings, queries)}
    for name, labels in variants.items():
        rows[name] = functools.partial(retrieval.retrieve, embeddings, labels, queries)
        peak = peak_memory(functools.partial(retrieval.retrieve, embeddings, labels))
        print(f"all images as queries, {name}: {mebibytes(peak)}, {HOW}")
    seconds = rounds.measure(rows, options.rounds, warmups=1)
    rounds.show_times(seconds)
    # Of small classes all is found by counting; of big ones the whole ranking has to be sorted.
    ratios = [
        (f"all metrics / matrix product, {name}", seconds[name] / seconds["matrix product"], goal)
        for name, goal in zip(variants, ("<= 2", "<= 4"))
    ]
    rounds.show_ratios(ratios)
    _show_nmi(embeddings[: options.nmi_images], options.images // options.classes)


def unit_embeddings(count, width, random):
    """Returns float32 [count, width] of length 1."""
    embeddings = random.normal(size=[count, width]).astype(np.float32)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def small_classes(count, classes, random):
    """Returns labels int [count], shuffled: 2 images a class, the others drawn at random."""
    slots = np.repeat(np.arange(classes), MOST_OF_A_CLASS - 2)
    others = random.permutation(slots)[: count - 2 * classes]
    return random.permutation(np.concatenate([np.repeat(np.arange(classes), 2), others]))


def _products(embeddings, queries):
    """The similarities of every query, block by block as `retrieve` makes them."""
    for block in row_blocks(len(queries), embeddings.itemsize * len(embeddings)):
        queries[block] @ embeddings.T


def _show_nmi(embeddings, images_of_a_class):
    labels = np.arange(len(embeddings)) // images_of_a_class
    start = time.perf_counter()
    retrieval.clustering_nmi(embeddings, labels)
    print(
        f"\nNMI apart: {time.perf_counter() - start:.1f} s for {len(embeddings)} embeddings and "
        f"{labels[-1] + 1} clusters, once; the time grows with the square of the number"
    )
