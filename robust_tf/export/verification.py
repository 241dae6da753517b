"""Verification of a SavedModel: by a process without this project, and by an attack on it."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from robust_tf.errors import RunError
from robust_tf.results.result import wilson_interval

TOLERANCE = 1e-5
# Kernels of a GPU may round differently in two graphs, and then sign() differs at some pixels.
DIFFERING = 0.01
_RELOAD = """
import gc
import sys

gc.disable()  # the process is short

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("robust_tf", "tla_tf", "hm_tf"):
            raise ImportError(name + " is not there where the SavedModel is used")

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

saved_model, images, output, found = sys.argv[1:]
loaded = tf.saved_model.load(saved_model)  # a signature does not keep its variables alive
serve = loaded.signatures["serving_default"]
images = tf.constant(np.load(images))
with tf.GradientTape() as tape:
    tape.watch(images)
    result = serve(image=images)
    total = tf.reduce_sum(result[output] * tf.cast(tf.range(result[output].shape[1]), tf.float32))
gradient = tape.gradient(total, images)
if gradient is None:
    sys.exit("the output " + output + " has no gradient with respect to the images")
arrays = {"out_" + name: value.numpy() for name, value in result.items()}
strings = {name: value.astype("S") for name, value in arrays.items() if value.dtype == object}
np.savez(found, gradient=gradient, **{**arrays, **strings})
"""


def verify_saved_model(path, answer, images, output):
    """Compares `serving_default` in a fresh process without this project with the network here.

    Args:
        path: folder of the SavedModel.
        answer: function, float32 [n, h, w, c] in [0, 1] -> dict of the outputs to expect.
        images: float [n, h, w, c] in [0, 1].
        output: name of the output, float [n, d], whose gradient with respect to the images is
            compared: the sum over its columns, each times its number.

    Returns:
        The largest absolute difference over all float outputs.

    Raises:
        RunError: no reload, other outputs, no gradient, or too large a difference: more than
            `TOLERANCE` times the largest absolute value, or times 1 if this value is below 1.
    """
    images = np.asarray(images, np.float32)
    reloaded = _elsewhere(path, images, output)
    expected, gradient = _here(answer, images, output)
    _compare(path, "the gradient", reloaded.pop("gradient"), gradient)
    found = {name.removeprefix("out_"): value for name, value in reloaded.items()}
    if found.keys() != expected.keys():
        raise RunError(f"{path} has outputs {sorted(found)}, the network {sorted(expected)}")
    return max(_compare(path, f"output {name}", found[name], expected[name]) for name in expected)


def compare_outcomes(path, title, own, found):
    """Returns what an attack on a SavedModel showed, a dict for its sidecar.

    Args:
        path: Path of the SavedModel.
        title: str, attack, threat model and metric.
        own: bool [n], whether each attacked image is still right with the network.
        found: bool [n], the same with the SavedModel.

    Raises:
        RunError: more than one image, and more than one in a hundred, differ.
    """
    n, differing = len(own), int(np.sum(own != found))
    if differing > max(DIFFERING * n, 1):
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


def _here(answer, images, output):
    """(dict of outputs, gradient) as NumPy arrays, computed as `_RELOAD` does."""

    @tf.function
    def run(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = answer(images)
            columns = tf.range(result[output].shape[1])
            total = tf.reduce_sum(result[output] * tf.cast(columns, tf.float32))
        return result, tape.gradient(total, images)

    with tf.device("CPU:0"):  # as in the other process: a GPU rounds differently
        result, gradient = run(tf.constant(images))
    return {name: value.numpy() for name, value in result.items()}, gradient.numpy()


def _compare(path, what, found, expected):
    """Returns the largest absolute difference of numbers; other values must be equal."""
    if not np.issubdtype(expected.dtype, np.floating):
        if not np.array_equal(found, expected.astype(found.dtype)):
            raise RunError(f"{path}: {what} differs from the network")
        return 0.0
    difference = float(np.max(np.abs(found - expected)))
    allowed = TOLERANCE * max(1.0, float(np.max(np.abs(expected))))
    if not difference <= allowed:
        raise RunError(
            f"{path}: {what} differs from the network by {difference:.3g}, allowed is {allowed:.3g}"
        )
    return difference


def _elsewhere(path, images, output):
    path = pathlib.Path(path).resolve()
    # This process may hold all memory of the GPUs.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder, "images.npy"), pathlib.Path(folder, "outputs.npz")
        np.save(given, images)
        # -I: neither the current folder nor PYTHONPATH are searched for modules.
        command = [sys.executable, "-I", "-c", _RELOAD, str(path), str(given), output, str(found)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise RunError(f"{path} cannot be reloaded without this project: {reason}")
        with np.load(found) as outputs:
            return dict(outputs)
