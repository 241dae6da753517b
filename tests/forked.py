"""Processes that fork from one which has imported everything: each costs its own work only.

TensorFlow has run nothing in them: they may divide the processor and be workers.
"""

import contextlib
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
from unittest import mock

import numpy as np

from robust_tf.export import verification

ROOT = pathlib.Path(__file__).parents[1]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    ["sklearn.datasets.data", "tensorflow_datasets", "tensorboard.summary", "keras.src.callbacks"]
    + ["robust_tf.data.dataset", "fsspec.registry"]
    + [
        f"{package}.{name}"
        for package in ("tla_tf", "hm_tf")
        for name in ("train", "runs.training_run")
    ]
)


def begun(function, *arguments, output, errors=None, environment=()):
    """Starts a process in the root of the project; returns it.

    Args:
        function: a function of a module, such as `tla_tf.train.main`; returns the exit code.
        *arguments: its arguments.
        output: path of a file for what the process prints.
        errors: path of a file for its errors; None: `output`.
        environment: dict, variables of its environment.
    """
    files = [str(path) for path in (output, errors or output)]
    process = FORKING.Process(target=_child, args=(function, arguments, files, dict(environment)))
    process.start()
    return process


def ran(function, *arguments, output):
    """Runs the function in a process to its end; returns (exit code, what it printed)."""
    process = begun(function, *arguments, output=output)
    process.join()
    return process.exitcode, output.read_text()


@contextlib.contextmanager
def reloads():
    """Exports are reloaded in a fork that has forgotten this project, instead of a new process."""
    with mock.patch.object(verification, "_elsewhere", _reloaded):
        yield


def _reloaded(path, images, output):
    with tempfile.TemporaryDirectory() as folder:
        given, found, said = (pathlib.Path(folder, name) for name in ("in.npy", "out.npz", "said"))
        np.save(given, images)
        code, text = ran(
            _reload,
            [str(pathlib.Path(path).resolve()), str(given), output, str(found)],
            output=said,
        )
        assert code == 0, text[-3000:]
        with np.load(found) as outputs:
            return dict(outputs)


def _reload(arguments):
    for name in [*sys.modules]:
        if name.split(".")[0] in ("robust_tf", "tla_tf", "hm_tf"):
            del sys.modules[name]
    sys.argv[1:] = arguments
    exec(verification._RELOAD, {})


def _child(function, arguments, files, environment):
    os.chdir(ROOT)
    os.environ.update(environment)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.exit(function(*arguments))
