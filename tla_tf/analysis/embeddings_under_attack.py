"""The outputs of a network for clean and attacked images, and in the course of an attack."""

import tensorflow as tf

from robust_tf.attacks.pgd import LOSSES
from robust_tf.evaluation.attack_loop import attack_loop, first_success
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.models.output_of import output_of


def embeddings_under_attack(network, examples, preset=None, rows=None, *, keep=(), **settings):
    """Attacks the images and returns dict name -> array [m, ...] of the network's outputs.

    The network runs in inference mode, the attack knows the labels. With several restarts an image
    has the outputs of the first run that is misclassified.

    Args:
        network: classifier with the outputs "logits" and "embedding".
        examples: `Examples`.
        preset: `Preset` of robust_tf.attacks.presets; None for clean images.
        rows: int [m], the images; default: all.
        keep: further outputs, such as "image", the attacked image.
        **settings: batch_size, seed and progress of `attack_loop`.

    Returns:
        "embedding" float [m, d], "prediction" int64 [m], and the outputs of `keep`.

    Raises:
        RunError: outputs that are not finite, or an attack that left its ball or box.
    """

    def outputs_fn(images):
        outputs = network(images, training=False)
        return {**outputs, "prediction": tf.argmax(outputs["logits"], axis=1)}

    kept = {"embedding", "prediction", *keep}
    attack_batch = classify_attacked(outputs_fn, examples.labels, preset, keep=kept)
    title, restarts = ("clean", 1) if preset is None else (preset.name, preset.restarts)
    settings = {"title": title, "restarts": restarts, "active": "correct", **settings}
    return first_success(attack_loop(attack_batch, examples, rows, **settings), "correct")


def correct_after_steps(network, examples, preset, **settings):
    """Follows one run of a PGD attack; takes the arguments of `embeddings_under_attack`.

    Returns:
        bool [n, steps + 1], which images are classified correctly at the start and after each step.
    """
    labels, attack = tf.constant(examples.labels, tf.int64), preset.attack
    logits_fn = output_of(network, "logits")

    def attack_batch(images, rows, keys):
        y = tf.gather(labels, rows)
        objective = LOSSES[attack.loss](logits_fn, y)
        correct = attack.trajectory(
            objective, images, key=keys, look=lambda x: tf.argmax(logits_fn(x), axis=1) == y
        )
        return {"correct": tf.transpose(correct)}

    (run,) = attack_loop(attack_batch, examples, title=f"{preset.name}, step by step", **settings)
    return run["correct"]
