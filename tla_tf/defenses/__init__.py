"""The training methods of the TLA paper, each a subclass of `AdversarialModel`."""

from robust_tf.errors import require_known

# Constructor argument -> allowed values. Free of TensorFlow, for --help.
CHOICES = {
    "attack_bn_mode": ("inference", "training"),
    "attack_objective": ("ce", "full", "triplet", "hardness"),
    "norm_form": ("l2", "mean_sq"),
    "pool": ("batch", "separate"),
    "positive": ("other", "own", "both"),
    "anchor": ("adv", "clean"),
    "mining": ("global", "replica"),
    # Of the logit pairing.
    "layer": ("logits", "x4"),
    "reduce": ("sum", "mean"),
    # Of the choice of negatives.
    "selection": ("nearest", "random", "masked"),
    "similarity": ("abs", "signed"),
    "mask": ("neg_inf", "zero"),
}


def require_allowed(arguments):
    """Raises the ValueError of a constructor argument with a value that nobody reads.

    Args:
        arguments: dict, name -> value; others than in `CHOICES` may be there.
    """
    for name, allowed in CHOICES.items():
        if name in arguments:
            require_known(name, arguments[name], allowed)
