"""An attack on the SavedModel itself: it must stop as many images as an attack on the network."""

import numpy as np

from robust_tf.errors import RunError
from robust_tf.results.result import wilson_interval

# Kernels of a GPU may round differently in two graphs, and then sign() differs at some pixels.
ALLOWED = 0.01


def compare_outcomes(path, title, own, found):
    """Returns what an attack on a SavedModel showed, a dict for its sidecar.

    Args:
        path: Path of the SavedModel.
        title: str, attack, threat model and metric.
        own: bool [n], whether each attacked image is still right with the network.
        found: bool [n], the same with the SavedModel.

    Raises:
        RunError: more than one in a hundred images differ.
    """
    n, differing = len(own), int(np.sum(own != found))
    if differing > ALLOWED * n:
        raise RunError(
            f"{path}: under {title}, {differing} of {n} images have another outcome with the "
            "SavedModel than with the network"
        )
    correct = int(np.sum(found))
    return {
        "title": title,
        "n": n,
        "correct": correct,
        "correct_of_the_network": int(np.sum(own)),
        "differing_outcomes": differing,
        "value": correct / n,
        "interval": wilson_interval(correct, n),
    }


def outcome_line(attack):
    """Returns a sentence on the dict of `compare_outcomes`."""
    low, high = attack["interval"]
    return (
        f"attacked itself: {attack['title']} {100 * attack['value']:.2f} % "
        f"({100 * low:.2f} to {100 * high:.2f}) of {attack['n']} test images, the network "
        f"{100 * attack['correct_of_the_network'] / attack['n']:.2f} %, other outcomes: "
        f"{attack['differing_outcomes']}"
    )
