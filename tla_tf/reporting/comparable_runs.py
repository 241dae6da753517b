"""Finished runs that may stand side by side in a figure."""

import collections

import numpy as np

from robust_tf.data.image_identity import in_words
from robust_tf.errors import UserError
from tla_tf.finished_run import FinishedRun


def comparable_runs(workdirs, data_dir=None):
    """Returns the list of `FinishedRun` of the folders.

    Raises:
        UserError: a folder without a finished run, a folder named twice, runs of different data.
    """
    if len(set(workdirs)) < len(workdirs):
        raise UserError(f"--workdir names a run twice: {', '.join(workdirs)}")
    runs = [FinishedRun(workdir, data_dir) for workdir in workdirs]
    first = runs[0]
    for run in runs[1:]:
        for (fact, words), (other, others) in zip(_data(first), _data(run), strict=True):
            if fact != other:
                raise UserError(
                    f"runs of different data cannot be compared: {first.folder.path} is of "
                    f"{words}, {run.folder.path} of {others}; analyse them apart"
                )
    return runs


def _data(run):
    """What runs side by side have in common: [(fact, in words)]."""
    name, classes, shape = run.info.name, run.info.class_names, run.info.image_shape
    images = run.folder.read_images() or run.info.identity
    return [
        (name, name),
        (classes, f"{len(classes)} classes, {', '.join(classes[:5])} ..."),
        (shape, f"images of {' x '.join(map(str, shape))}"),
        (images, images and in_words(images)),
    ]


def common_eps(runs):
    """Returns the radius that the runs were trained with; UserError where they differ."""
    eps = [run.flags["eps"] for run in runs]
    if len(set(eps)) > 1:
        raise UserError(
            f"the runs were trained with different radii ({', '.join(map(str, eps))}); "
            "name that of the attack: --eps"
        )
    return eps[0]


def panel_names(runs):
    """Returns the names of the runs in figures: the method, with the seed or folder if needed."""
    methods = [run.flags["method"].upper().replace("_", "-") for run in runs]
    with_seed = [f"{m} seed {run.flags['seed']}" for m, run in zip(methods, runs, strict=True)]
    folders = [str(run.folder.path) for run in runs]
    return next(n for n in (methods, with_seed, folders) if len(set(n)) == len(n))


def check_training_images(train, class_names, *, neighbours=0, per_class=0):
    """Checks that there are enough natural training images for an analysis.

    Args:
        train: `Examples`.
        class_names: tuple of str.
        neighbours: how many there must be in all.
        per_class: how many of every class that occurs.

    Raises:
        UserError: there are fewer.
    """
    if len(train) < neighbours:
        raise UserError(
            f"{neighbours} nearest neighbours need as many training images, not {len(train)}; "
            "raise --limit_train"
        )
    for label, count in sorted(collections.Counter(np.asarray(train.labels).tolist()).items()):
        if count < per_class:
            raise UserError(
                f"a Gaussian needs {per_class} training images of every class, class "
                f"{class_names[label]} has {count}; raise --limit_train"
            )
