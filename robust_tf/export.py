"""SavedModels: written out, and compared with the network in a process without this project."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from robust_tf.errors import RunError
from robust_tf.results.output_place import require_folder

TOLERANCE = 1e-5

_RELOAD = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("robust_tf", "tla_tf", "hm_tf"):
            raise ImportError(name + " is not there where the SavedModel is used")

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

saved_model, images, outputs = sys.argv[1:]
serve = tf.saved_model.load(saved_model).signatures["serving_default"]
result = serve(image=tf.constant(np.load(images)))
np.savez(outputs, **{name: value.numpy() for name, value in result.items()})
"""


def export_saved_model(network, export_dir, image_shape):
    """Writes `network` as a SavedModel with the signature `serving_default`.

    Its input is "image", float32 [any, h, w, c] in [0, 1], its outputs are those of the network in
    inference mode. The folder appears under its number only when it is complete.

    Args:
        network: keras.Model with dict outputs.
        export_dir: folder of the versions, made if missing.
        image_shape: (h, w, c).

    Returns:
        The new folder: `export_dir`/1, or the next number after those that exist.

    Raises:
        UserError: `export_dir` cannot be a folder to write to.
    """
    export_dir = pathlib.Path(export_dir)
    require_folder("export_dir", export_dir)
    export_dir.mkdir(parents=True, exist_ok=True)
    taken = [int(path.name) for path in export_dir.iterdir() if path.name.isdecimal()]
    version = export_dir / str(max(taken, default=0) + 1)
    beside = version.with_name(f".{version.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    archive = keras.export.ExportArchive()
    archive.track(network)
    signature = [tf.TensorSpec([None, *image_shape], tf.float32, name="image")]
    archive.add_endpoint("serve", lambda image: network(image, training=False), signature)
    archive.write_out(str(beside), verbose=False)
    beside.rename(version)
    return version


def verify_saved_model(path, network, images):
    """Reloads a SavedModel in a fresh process that cannot import this project, and compares.

    Args:
        path: folder of the SavedModel.
        network: keras.Model that it was made of.
        images: float [n, h, w, c] in [0, 1].

    Returns:
        The largest absolute difference over all outputs.

    Raises:
        RunError: it cannot be reloaded, has other outputs, or an output differs by more than
            `TOLERANCE` times its largest absolute value (or 1, if that is larger).
    """
    images = np.asarray(images, np.float32)
    reloaded = _outputs_elsewhere(path, images)
    with tf.device("CPU:0"):  # as in the other process: a GPU rounds differently
        expected = tf.function(lambda image: network(image, training=False))(tf.constant(images))
    if reloaded.keys() != expected.keys():
        raise RunError(f"{path} has outputs {sorted(reloaded)}, the network {sorted(expected)}")
    differences = []
    for name, value in expected.items():
        value = value.numpy()
        differences.append(float(np.max(np.abs(reloaded[name] - value))))
        allowed = TOLERANCE * max(1.0, float(np.max(np.abs(value))))
        if not differences[-1] <= allowed:
            raise RunError(
                f"{path}: output {name} differs from the network by {differences[-1]:.3g}, "
                f"allowed is {allowed:.3g}"
            )
    return max(differences)


def _outputs_elsewhere(path, images):
    path = pathlib.Path(path).resolve()
    # This process may hold all memory of the GPUs.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder, "images.npy"), pathlib.Path(folder, "outputs.npz")
        np.save(given, images)
        # -I: neither the current folder nor PYTHONPATH are searched for modules.
        command = [sys.executable, "-I", "-c", _RELOAD, str(path), str(given), str(found)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise RunError(f"{path} cannot be reloaded without this project: {reason}")
        with np.load(found) as outputs:
            return dict(outputs)
