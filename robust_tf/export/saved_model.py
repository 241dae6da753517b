"""SavedModels in versioned folders, as TensorFlow Serving reads them."""

import contextlib
import pathlib
import shutil

import keras

from robust_tf.results import atomic
from robust_tf.results.output_place import require_folder
from robust_tf.runs import lock

# Keras names the first endpoint `serving_default` too, which is the default of servers;
# `keras.layers.TFSMLayer` looks for this name.
DEFAULT = "serve"


def write_saved_model(path, endpoints, resources=()):
    """Writes one SavedModel.

    Args:
        path: Path of the new folder.
        endpoints: list of `Endpoint`; the first is `serving_default`. Networks that they call are
            built.
        resources: trackable objects besides networks whose variables the endpoints read.
    """
    # Keras finds the variables of the networks by itself; a tracked network is written twice.
    archive = keras.export.ExportArchive()
    for resource in resources:
        archive.track(resource)
    for endpoint in endpoints:
        name = DEFAULT if endpoint.name == "serving_default" else endpoint.name
        archive.add_endpoint(name, endpoint.function, [endpoint.spec])
    archive.write_out(str(path), verbose=False)


@contextlib.contextmanager
def next_version(export_dir):
    """Gives a folder to fill, which becomes `export_dir`/<next integer> at the end of the block.

    A block that fails, by a full disk or by a verification, leaves nothing behind.

    Args:
        export_dir: folder of the versions, made if missing.

    Yields:
        (folder to fill, Path; its later name, Path).

    Raises:
        UserError: `export_dir` cannot be a folder to write to, or another export writes there.
    """
    export_dir = pathlib.Path(export_dir)
    require_folder("export_dir", export_dir)
    with lock.held(export_dir / ".export"):
        taken = [int(path.name) for path in export_dir.iterdir() if path.name.isdecimal()]
        version = export_dir / str(max(taken, default=0) + 1)
        beside = version.with_name(f".{version.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)  # of an export that was killed
        try:
            yield beside, version
            atomic.rename(beside, version)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
