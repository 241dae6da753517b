"""What an update of each method costs."""

from robust_tf.training.passes import Passes, input_gradients


def passes(settings, pool_mul=1):
    """Returns the `Passes` of an update; AWP makes every training pass twice.

    Args:
        settings: `DefenseSettings`.
        pool_mul: batches of candidates per update where the candidates are separate images.
    """
    found = _without_awp(settings, input_gradients(settings.attack), pool_mul)
    return found._replace(training=(2 if settings.arguments["awp"] else 1) * found.training)


def _without_awp(settings, gradients, pool_mul):
    arguments, attack = settings.arguments, {"input_gradient": gradients}
    # Before an attack on the loss the clean batch is embedded once.
    clean = arguments.get("attack_objective", "ce") != "ce"
    if settings.name in ("um", "at", "alp", "trades", "mart"):
        return {
            "um": Passes(),
            "at": Passes(**attack),
            "alp": Passes(forward=clean, **attack, training=2),
            "trades": Passes(forward=1, **attack, training=2),
            "mart": Passes(**attack, training=2),
        }[settings.name]
    own = arguments["positive"] != "other" or bool(arguments["match_l2"])
    noisy = own and bool(arguments["own_noise"])
    if arguments["pool"] == "batch":  # clean and adversarial images, and own ones with noise
        return Passes(forward=clean * (1 + own), **attack, training=2 + noisy)
    # Anchors and candidates are embedded; negatives and adversarial images train, and positives.
    positives = (arguments["positive"] != "own") + own
    embedded = 1 + pool_mul + clean * (1 + positives)
    return Passes(forward=embedded, **attack, training=2 + positives)
