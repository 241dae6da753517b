"""Which images a classifier gets right, clean or attacked."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from robust_tf import randomness
from robust_tf.data import image_files
from robust_tf.evaluation.outcome_check import check_outcome
from robust_tf.evaluation.traced_once import traced_once

# Of fewer images than this a batch saves less than its tracing takes.
SMALLEST = 32


def correct_predictions(
    network,
    examples,
    preset=None,
    *,
    batch_size=250,
    seed=0,
    attack_batch=None,
    standing=None,
    outcomes=None,
    adversarial=None,
    progress=True,
):
    """Returns which images the network classifies correctly, whatever the restarts of the attack.

    The restarts are the outermost loop, and each is run only on images that withstood those before:
    an image counts as correct if no restart is misclassified (20PGD of TLA, section 5.1). The
    network runs in inference mode, the attack knows the true labels, batches have few shapes.

    Args:
        network: classifier with the output "logits".
        examples: has `images` [n, h, w, c], uint8 or float in [0, 1], or [n] encoded files, and
            `labels`, int [n].
        preset: `Preset` of robust_tf.attacks.presets; None for clean images.
        batch_size: images attacked together, see `shape_of`.
        seed: int; the random starts follow from seed, restart and number of the batch.
        attack_batch: what `compile_attack` returned for this network and preset; compiled here by
            default.
        standing: bool [n], the images to attack; the others count as wrong. Default: all.
        outcomes: mapping (restart, number of the batch) -> bool [images of the batch], read where
            it has an entry and filled where it has none: an `OutcomeStore`, to go on after a crash.
        adversarial: `AdversarialImages` to fill, or None.
        progress: whether to show a progress bar for a restart that is not all in `outcomes`.

    Returns:
        bool [n].

    Raises:
        ValueError: images outside [0, 1], or not finite.
        RunError: logits that are not finite, or an attack that left its ball or box.
    """
    _check_range(examples.images)
    attack_batch = attack_batch or compile_attack(network, preset)
    outcomes = {} if outcomes is None else outcomes
    name, restarts = ("clean", 1) if preset is None else (preset.name, preset.restarts)
    correct = np.ones(len(examples.labels), bool) if standing is None else standing.copy()
    attacked = _Attacked(name, network, examples, attack_batch, batch_size, seed, adversarial)
    for restart in range(restarts):
        if not correct.any():
            break
        title, total = f"{name} {restart + 1}/{restarts}", correct.sum()
        batches = range(-(-total // batch_size))
        silent = not progress or all((restart, number) in outcomes for number in batches)
        with tqdm(total=total, desc=title, unit="image", disable=silent) as bar:
            _run_restart(attacked, restart, correct, outcomes, bar)
    return correct


def _run_restart(attacked, restart, correct, outcomes, bar):
    """Attacks what is `correct`, bool [n], and takes out what falls, but for what is stored."""
    for number, rows in enumerate(_batches(np.flatnonzero(correct), attacked.batch_size)):
        if (restart, number) not in outcomes:
            outcomes[restart, number] = attacked.outcome(restart, number, rows)
        correct[rows] = outcomes[restart, number]
        bar.update(len(rows))
        seen = correct if restart else correct[: rows[-1] + 1]
        bar.set_postfix(accuracy=f"{100 * seen.mean():.2f} %", refresh=False)


@dataclasses.dataclass(frozen=True)
class _Attacked:
    """The images under attack `name`, batch by batch; attributes as of `correct_predictions`."""

    name: str
    network: Any
    examples: Any
    attack_batch: Callable
    batch_size: int
    seed: int
    adversarial: Any

    def outcome(self, restart, number, rows):
        """Attacks the images of `rows`; returns bool [rows], which are still classified right."""
        key = start_key(self.seed, number, restart)
        size = shape_of(len(rows), self.batch_size, self.network)
        images, labels = filled_batch(self.examples, rows, size, self.network)
        logits, inside, attacked = self.attack_batch(images, labels, key)
        check_outcome(
            self.name, number, logits.numpy(), inside.numpy(), what="the network's logits"
        )
        right = (np.argmax(logits, 1) == labels)[: len(rows)]
        if self.adversarial is not None:
            replaced = (restart == 0) | ~right
            self.adversarial.update(rows, attacked.numpy()[: len(rows)], replaced)
        return right


def shape_of(count, batch_size, network):
    """Returns how many images a batch of `count` is filled up to: `batch_size` or a quarter.

    To attack the few that withstood everything before costs as much as all that they are filled up
    to, but every shape is traced anew: so there are two, and one for a network of a fixed size.
    """
    quarter = max(-(-batch_size // 4), SMALLEST)
    fits = count <= quarter < batch_size and getattr(network, "batch_size", None) is None
    return quarter if fits else batch_size


def start_key(seed, number, restart=0):
    """Returns the key, int32 [2], of the random starts of batch `number` in a restart."""
    return randomness.key(seed, number, f"evaluation, restart {restart}")


def compile_attack(network, preset=None, *, source=None, jit_compile=False):
    """Returns the compiled function of one restart, traced once for each shape of batches.

    Args:
        network, preset: as of `correct_predictions`.
        source: classifier that the images are made on; by default the network itself.
        jit_compile: whether XLA compiles it.

    Returns:
        (images [b, h, w, c], labels [b], key) ->
        (logits [b, classes], in ball and box, bool [b], the attacked images).
    """

    def logits_fn(images):
        return network(images, training=False)["logits"]

    def source_logits_fn(images):
        return (source or network)(images, training=False)["logits"]

    def attack_batch(images, labels, key):
        if preset is None:
            return logits_fn(images), tf.ones_like(labels, tf.bool), images
        adversarial = preset.run(source_logits_fn, images, labels, key)
        inside = preset.attack.threat_model.contains(adversarial, images)
        return logits_fn(adversarial), inside, adversarial

    if preset is not None and preset.eager and not source:
        return attack_batch
    return traced_once(attack_batch, jit_compile=jit_compile)


def _batches(indices, size):
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def filled_batch(examples, rows, size, network):
    """Returns images and labels of `rows`, repeated up to `size` as tensors for the network.

    Another shape would be compiled anew.
    """
    rows = np.resize(rows, size)
    images, dtype = examples.images[rows], np.dtype(network.inputs[0].dtype).type
    if images.dtype == object:
        images = image_files.decode(images, network.inputs[0].shape[1:]).numpy()
    images = images.astype(dtype) / dtype(255 if images.dtype == np.uint8 else 1)
    return tf.constant(images), tf.constant(examples.labels[rows], tf.int32)


def _check_range(images):
    if images.dtype in (np.uint8, object):
        return
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise ValueError(
            f"images must be finite and in [0, 1] (or uint8); these range from {low} to {high}"
        )
