"""Accuracy of a classifier on clean or attacked images."""

import dataclasses

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from robust_tf import randomness
from robust_tf.data import image_files
from robust_tf.errors import RunError
from robust_tf.evaluation.records import Result, versions, weights_hash, wilson_interval


def correct_predictions(
    network, examples, preset=None, *, batch_size=250, seed=0, attack_batch=None, progress=True
):
    """Returns which images the network classifies correctly, whatever the restarts of the attack.

    The restarts are the outermost loop, and each is run only on images that withstood those before:
    an image counts as correct if no restart is misclassified (20PGD of TLA, section 5.1). The
    network runs in inference mode, the attack knows the true labels, all batches have one shape.

    Args:
        network: classifier with the output "logits".
        examples: has `images` [n, h, w, c], uint8 or float in [0, 1], or [n] encoded files, and
            `labels`, int [n].
        preset: `Preset` of robust_tf.attacks.presets; None for clean images.
        batch_size: images attacked together.
        seed: int; the random starts follow from seed, restart and number of the batch.
        attack_batch: what `compile_attack` returned for this network and preset; compiled here by
            default.
        progress: whether to show a progress bar.

    Returns:
        bool [n].

    Raises:
        ValueError: images outside [0, 1], or not finite.
        RunError: logits that are not finite, or an attack that left its ball or box.
    """
    _check_range(examples.images)
    attack_batch = attack_batch or compile_attack(network, preset)
    name, restarts = _name_and_restarts(preset)
    correct = np.ones(len(examples.labels), bool)
    for restart in range(restarts):
        standing = np.flatnonzero(correct)
        if not len(standing):
            break
        batches = _batches(standing, batch_size)
        title = f"{name} {restart + 1}/{restarts}"
        with tqdm(total=len(standing), desc=title, unit="image", disable=not progress) as bar:
            for number, rows in enumerate(batches):
                key = randomness.key(seed, number, f"evaluation, restart {restart}")
                images, labels = _filled(examples, rows, batch_size, network)
                logits, inside = attack_batch(images, labels, key)
                _check_outcome(name, number, logits.numpy(), inside.numpy())
                correct[rows] = (np.argmax(logits, 1) == labels)[: len(rows)]
                bar.update(len(rows))
                seen = correct if restart else correct[: rows[-1] + 1]
                bar.set_postfix(accuracy=f"{100 * seen.mean():.2f} %", refresh=False)
    return correct


def compile_attack(network, preset=None, *, jit_compile=False):
    """Returns the compiled function of one restart, for one shape of batches.

    Args:
        network, preset: as of `correct_predictions`.
        jit_compile: whether XLA compiles it.

    Returns:
        (images [b, h, w, c], labels [b], key) -> (logits [b, classes], in ball and box, bool [b]).
    """

    def logits_fn(images):
        return network(images, training=False)["logits"]

    @tf.function(jit_compile=jit_compile)
    def attack_batch(images, labels, key):
        if preset is None:
            return logits_fn(images), tf.ones_like(labels, tf.bool)
        attack, objective = preset.attack, preset.objective_factory(logits_fn, labels)
        adversarial = attack.run(objective, images, key=key)
        return logits_fn(adversarial), attack.threat_model.contains(adversarial, images)

    return attack_batch


def accuracy_result(
    correct, network, preset=None, *, dataset, split, method, training_seed, precision, seed
):
    """Makes the `Result` of what `correct_predictions` returned for this network and preset."""
    n, count = len(correct), int(np.sum(correct))
    return Result(
        dataset=dataset,
        split=split,
        n=n,
        method=method,
        model=network.name,
        training_seed=training_seed,
        attack=_name_and_restarts(preset)[0],
        attack_settings=_settings(preset),
        threat_model=dataclasses.asdict(preset.attack.threat_model) if preset else {},
        metric="accuracy",
        value=count / n,
        correct=count,
        interval=wilson_interval(count, n),
        precision=precision,
        seed=seed,
        weights_hash=weights_hash(network),
        versions=versions(),
    )


def _name_and_restarts(preset):
    return ("clean", 1) if preset is None else (preset.name, preset.attack.restarts)


def _settings(preset):
    if preset is None:
        return {}
    attack = preset.attack
    settings = {name: getattr(attack, name) for name in ("steps", "step_size", "restarts")}
    momentum = vars(attack.momentum) if attack.momentum else None
    return {**settings, "random_start": attack.random_start, "momentum": momentum}


def _batches(indices, size):
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _filled(examples, rows, size, network):
    """Images and labels of `rows`, repeated up to `size`: another shape would be compiled anew."""
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


def _check_outcome(name, number, logits, inside):
    if not np.isfinite(logits).all():
        raise RunError(f"{name}: the network's logits of batch {number} are not finite")
    if not inside.all():
        raise RunError(
            f"{name}: {np.sum(~inside)} images of batch {number} left the ball or the box of the "
            "threat model; their result would mean nothing"
        )
