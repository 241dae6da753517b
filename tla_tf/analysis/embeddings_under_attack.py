"""What a network makes of clean and attacked images: embeddings and predictions."""

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from robust_tf.evaluation.outcome_check import check_outcome
from robust_tf.evaluation.robust_accuracy import filled_batch, start_key
from robust_tf.evaluation.traced_once import traced_once


def embeddings_under_attack(
    network, examples, preset=None, *, batch_size=250, seed=0, attack_batch=None, progress=True
):
    """Returns (embeddings float32 [n, d], predictions int64 [n]) of the attacked images.

    All batches have one shape, the network runs in inference mode, the attack knows the labels.
    With several restarts the embedding is that of the first run that is misclassified.

    Args:
        network: classifier with the outputs "logits" and "embedding".
        examples: `Examples`.
        preset: `Preset` of robust_tf.attacks.presets; None for clean images.
        batch_size: images attacked together.
        seed: int; the random starts follow from seed, restart and number of the batch.
        attack_batch: what `compile_embedding` returned for this network and preset;
            compiled here by default.
        progress: whether to show a progress bar.

    Raises:
        RunError: outputs that are not finite, or an attack that left its ball or box.
    """
    attack_batch = attack_batch or compile_embedding(network, preset)
    found = []
    title = "clean" if preset is None else preset.name
    with tqdm(total=len(examples), desc=title, unit="image", disable=not progress) as bar:
        for number in range(-(-len(examples) // batch_size)):
            outputs = _batch(attack_batch, network, examples, preset, number, batch_size, seed)
            found.append((outputs["embedding"], outputs["prediction"]))
            bar.update(len(outputs["prediction"]))
    embeddings, predictions = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return embeddings, predictions


def attacked_image(network, examples, preset, index, *, batch_size=250, seed=0, attack_batch=None):
    """Returns the image, float [h, w, c], behind entry `index` of `embeddings_under_attack`."""
    number, place = divmod(index, batch_size)
    attack_batch = attack_batch or compile_embedding(network, preset)
    outputs = _batch(attack_batch, network, examples, preset, number, batch_size, seed)
    return outputs["image"][place]


def compile_embedding(network, preset):
    """Returns the compiled function of one restart on one batch.

    (images [b, h, w, c], labels [b], key) -> dict of the network's outputs, the attacked "image"
    and whether it is "inside" ball and box, bool [b]. Arguments as of `embeddings_under_attack`.
    """

    def logits_fn(images):
        return network(images, training=False)["logits"]

    def attack(images, labels, key):
        attacked, inside = images, tf.ones_like(labels, tf.bool)
        if preset is not None:
            attacked = preset.run(logits_fn, images, labels, key)
            inside = preset.attack.threat_model.contains(attacked, images)
        return {**network(attacked, training=False), "image": attacked, "inside": inside}

    return traced_once(attack)


def _batch(attack_batch, network, examples, preset, number, size, seed):
    """All restarts on one batch: arrays "image", "embedding", "prediction", ..."""
    rows = np.arange(number * size, min((number + 1) * size, len(examples)))
    images, labels = filled_batch(examples, rows, size, network)
    for restart in range(1 if preset is None else preset.restarts):
        key = start_key(seed, number, restart)
        outputs = {name: value.numpy() for name, value in attack_batch(images, labels, key).items()}
        _check(outputs, preset, number)
        outputs["prediction"] = np.argmax(outputs["logits"], axis=1)
        if restart == 0:
            kept = outputs
        standing = kept["prediction"] == labels.numpy()
        for name, value in kept.items():
            value[standing] = outputs[name][standing]
    return {name: value[: len(rows)] for name, value in kept.items()}


def _check(outputs, preset, number):
    title = "clean" if preset is None else preset.name
    for name, what in (("embedding", "embeddings"), ("logits", "logits")):
        check_outcome(title, number, outputs[name], outputs["inside"], what=what)
