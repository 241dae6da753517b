"""Which classes the figures of TLA show: the paper's, or the classes confused most."""

import collections

import numpy as np

from tla_tf.analysis.analyzed_run import CannotBeShown

DIGITS = ("digits", "mnist")  # data whose class names are bare numbers
PAPER_CLASS = {"cifar10": "deer"}  # figure 1
PAPER_PAIRS = {  # true class, class predicted under attack
    ("cifar10", "figure2"): ("truck", "bird"),
    ("cifar10", "figure4"): ("airplane", "truck"),
}


def class_title(info, k):
    """Returns class `k` of `DatasetInfo` `info` for a title: "deer", "digit 4"."""
    return f"digit {info.class_names[k]}" if info.name in DIGITS else info.class_names[k]


def attacked_class(runs):
    """Returns the class of figure 1: the paper's, or the one with most misclassified images."""
    info = runs[0].info
    if info.name in PAPER_CLASS:
        return info.class_names.index(PAPER_CLASS[info.name])
    fooled = np.concatenate([run.test.labels[run.fooled] for run in runs])
    return int(np.argmax(np.bincount(fooled, minlength=info.num_classes)))


def confused_pair(runs, output):
    """Returns (true class, predicted class) of `output`, "figure2" or "figure4".

    The paper's pair, or, where it does not occur, the most frequent of images that the network
    classifies correctly until they are attacked.

    Raises:
        CannotBeShown: there is no such image.
    """
    info = runs[0].info
    counts = sum((run.confusions() for run in runs), collections.Counter())
    if not counts:
        raise CannotBeShown(
            f"the attack turns no image of {', '.join(run.name for run in runs)} that is "
            "classified correctly; use a larger --eps or more --limit_test"
        )
    if (info.name, output) in PAPER_PAIRS:
        pair = tuple(map(info.class_names.index, PAPER_PAIRS[info.name, output]))
        if counts[pair]:
            return pair
    return max(sorted(counts), key=counts.get)
