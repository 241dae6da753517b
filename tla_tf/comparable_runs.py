"""Finished runs that may stand side by side in a figure."""

import collections

import numpy as np

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
        if (run.info.name, run.info.class_names) != (first.info.name, first.info.class_names):
            raise UserError(
                f"runs of different data cannot be compared: {first.folder.path} is of "
                f"{first.info.name}, {run.folder.path} of {run.info.name}; analyse them apart"
            )
    return runs


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
