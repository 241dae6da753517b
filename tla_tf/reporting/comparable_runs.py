"""Finished runs that may stand side by side in a figure."""

from robust_tf.reports.recorded_run import distinct_names
from robust_tf.reports.same_data import require_same_data
from tla_tf.runs.finished_run import FinishedRun


def comparable_runs(workdirs, data_dir=None):
    """Returns the list of `FinishedRun` of the folders.

    Raises:
        UserError: a folder without a finished run, a folder named twice, runs of different data.
    """
    runs = [FinishedRun(workdir, data_dir) for workdir in workdirs]
    require_same_data([run.folder.path for run in runs], [run.info.identity for run in runs])
    return runs


def panel_names(flags, folders):
    """Returns the names of runs in figures, of their flags and folders; see `distinct_names`."""
    methods, seeds = ([own[name] for own in flags] for name in ("method", "seed"))
    return distinct_names(map(method_name, methods), list(zip(seeds, folders, strict=True)))


def method_name(method):
    """Returns a method as the paper prints it: "TLA-RN" for "tla_rn"; a setting stays as it is."""
    name, *settings = method.split()
    return " ".join([name.upper().replace("_", "-"), *settings])
