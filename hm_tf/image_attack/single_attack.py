"""A ranking attack on one image."""

import tensorflow as tf

from hm_tf.evaluation.attack_strength import final_and_early
from robust_tf.errors import RunError


def attack_image(embed_fn, attack, pgd, image, aim):
    """Returns (attacked image float32 [h, w, c], earlier embedding [d] or None).

    Args:
        embed_fn: images [1, h, w, c] to unit embeddings [1, d].
        attack: `RankingAttack`.
        pgd: `PGD` without a random start.
        image: float32 [h, w, c] in [0, 1].
        aim: `Aim`.

    Raises:
        RunError: the attacked image is not in ball and box, or its embedding is not finite.
    """
    images = tf.constant(image)[None]

    @tf.function
    def attacked():
        objective = attack.objective(embed_fn, images, aim.gallery, aim.rows, aim.chosen)
        if attack.measures_early:
            return final_and_early(pgd, objective, images)
        return pgd.ascend(objective, images), None

    moved, last = attacked()
    if not pgd.threat_model.contains(moved, images).numpy().all():
        raise RunError(
            f"the attacked image is not within {pgd.threat_model} and the box of valid pixels"
        )
    if not tf.reduce_all(tf.math.is_finite(embed_fn(moved))):
        raise RunError("the embedding of the attacked image is not finite: it has no ranking")
    return moved[0].numpy(), None if last is None else embed_fn(last)[0].numpy()
