"""What an update of each defense costs. A triplet has 3 images, of which a batch has 2 for it."""

from hm_tf.triplets.intra_class_structure import clean_roles
from robust_tf.training.passes import Passes, input_gradients


def passes(settings):
    """Returns the `Passes` of an update; the attack of HM may end earlier, saturated.

    AWP makes every training pass twice. Free HM embeds a batch for mining once in all its updates.
    Its step needs a backward pass to the images, half of an input-gradient pass, whose forward is
    the one that trains.

    Args:
        settings: `DefenseSettings`.
    """
    steps = input_gradients(settings.attack)
    ics = bool(settings.manipulation.get("ics"))
    clean = len(clean_roles(settings.manipulation["ics_triplet"])) / 2 if ics else 0
    attacked = settings.manipulation.get("destination") != settings.arguments["source"]
    found = {
        "none": Passes(),
        "est": Passes(forward=2, input_gradient=steps),
        "ses": Passes(forward=1, input_gradient=steps, training=2),
        "act": Passes(forward=1, input_gradient=steps, training=1.5),
        "minmax": Passes(forward=1, input_gradient=1.5 * steps, training=1.5),
        "hm": Passes(
            forward=1 / settings.replays,
            input_gradient=0.75 if settings.replays > 1 else 1.5 * steps * attacked,
            training=1.5 + clean,
        ),
    }[settings.name]
    return found._replace(training=(2 if settings.arguments["awp"] else 1) * found.training)
