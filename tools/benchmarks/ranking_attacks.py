"""A step of every ranking attack against a bare pass on the same batch.

The bare pass is a forward pass with the gradient of the input.
"""

import functools

import numpy as np
import tensorflow as tf

from benchmarks import rounds
from benchmarks.passes import input_gradient_pass, waiting, weighted_sum
from benchmarks.peak_memory import HOW, mebibytes, peak_memory
from benchmarks.retrieval import small_classes, unit_embeddings
from hm_tf.ranking_attacks import registry
from hm_tf.ranking_attacks.gallery import Gallery
from robust_tf import data, randomness
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.models.output_of import output_of
from robust_tf.threat_model import ThreatModel

# Images of this size, and the profile of the attacks' constants.
SETTINGS = {"resnet18": ("tiny_imagenet", "rob224"), "c2f2": ("mnist", "rob28")}
IMAGES_OF_A_CLASS = 5  # about as in Stanford Online Products
WIDTH = 512
GOALS = {10000: "<= 1.15", 60502: "<= 1.5"}


def run(options):
    """Measures and prints."""
    dataset, profile = SETTINGS[options.model]
    info, profile = data.open(dataset).info, registry.PROFILES[profile]
    network = get_embedding(options.model, info, "live")
    pgd = PGD(ThreatModel(profile.eps), options.steps, profile.step_size, random_start=False)
    random = np.random.default_rng(0)
    images = random.random([options.batch_size, *info.image_shape], np.float32)
    print(
        f"{options.model}, {options.batch_size} images of {info.image_shape[0]} pixels, attacks of "
        f"{options.steps} steps; {rounds.conditions(options.rounds)}"
    )
    names, sizes = _names(options), _sizes(options)
    for size in sizes:
        gallery = _gallery(size, random)
        attacks = {name: _attack(name, pgd, network, images, gallery) for name in names}
        _measure(options, size, _bare(network, images), attacks)


def _names(options):
    try:
        return [registry.get(name).name for name in options.attacks] or registry.NAMES
    except ValueError as error:
        raise UserError(f"--attacks: {error}") from error


def _sizes(options):
    if wrong := [size for size in options.galleries if not size.isdigit() or int(size) < 1000]:
        raise UserError(f"--galleries: {wrong[0]!r} is not a whole number from 1000 on")
    return [int(size) for size in options.galleries]


def _gallery(size, random):
    labels = small_classes(size, size // IMAGES_OF_A_CLASS, random)
    return Gallery(unit_embeddings(size, WIDTH, random), labels)


def _bare(network, images):
    embed_fn = output_of(network, "embedding")
    return waiting(input_gradient_pass(lambda x: weighted_sum(embed_fn(x))), tf.constant(images))


def _attack(name, pgd, network, images, gallery):
    """The call of the loop of one attack; what it aims at was selected before."""
    attack, images, rows = registry.get(name), tf.constant(images), tf.range(len(images))
    chosen = attack.select(gallery, rows, randomness.key(0, 0, "benchmark"))

    @tf.function(autograph=False)
    def ascend(images, rows, chosen):
        objective = attack.objective(output_of(network, "embedding"), images, gallery, rows, chosen)
        return pgd.ascend(objective, images)

    return waiting(functools.partial(ascend, images, rows, chosen))


def _measure(options, size, bare, attacks):
    peaks = {name: mebibytes(peak_memory(attack)) for name, attack in attacks.items()}
    print(f"\nGallery of {size}. Peak memory of an attack, compilation included, {HOW}:")
    print(", ".join(f"{name} {peak}" for name, peak in peaks.items()))
    seconds = rounds.measure({"bare pass": bare, **attacks}, options.rounds, warmups=1)
    rounds.show_times(seconds)
    rows = [
        (
            f"{name} step / bare pass, gallery of {size}",
            seconds[name] / options.steps / seconds["bare pass"],
            GOALS.get(size, ""),
        )
        for name in attacks
    ]
    rounds.show_ratios(rows)
