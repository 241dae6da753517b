"""What an update of each method costs."""

from robust_tf.training.passes import Passes


def passes(settings, pool_mul=1):
    """Returns the `Passes` of an update.

    Args:
        settings: `DefenseSettings`.
        pool_mul: batches of candidates per update where the candidates are separate images.
    """
    steps = settings.attack.get("steps")
    if settings.method in ("um", "at", "alp"):
        return {
            "um": Passes(),
            "at": Passes(input_gradient=steps),
            "alp": Passes(input_gradient=steps, training=2),
        }[settings.method]
    arguments = settings.arguments
    own = arguments["positive"] != "other" or bool(arguments["match_l2"])
    if arguments["pool"] == "batch":  # clean and adversarial images, and own ones with noise
        noisy = own and bool(arguments["own_noise"])
        return Passes(input_gradient=steps, training=2 + noisy)
    # Anchors and candidates are embedded; negatives and adversarial images train, and positives.
    positives = (arguments["positive"] != "own") + own
    return Passes(forward=1 + pool_mul, input_gradient=steps, training=2 + positives)
