"""How a command starts TensorFlow: as Keras's backend, without its notes, with XLA's cache."""

import contextlib
import gc
import importlib.metadata
import os
import pathlib
import re
import sys
import tempfile
import warnings

from robust_tf.results.output_place import can_be_written

# The driver has a folder for each GPU here, in containers too that may use none of them.
NVIDIA_GPUS = pathlib.Path("/proc/driver/nvidia/gpus")
# Who may use a GPU has this device.
NVIDIA_CONTROL = pathlib.Path("/dev/nvidiactl")


def load_tensorflow():
    """Imports TensorFlow and finds its devices, without the page of notes that buries our lines.

    It writes them from C++ before any log level holds, so the file descriptor itself is redirected.
    They are shown if the import fails. One of them is that it cannot use the GPU: it has a line.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # other projects of the user may have another
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow else takes all memory of a GPU, and another command there none.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    _keep_compiled_programs()
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            with _without_collections():
                import tensorflow as tf
            found = tf.config.list_physical_devices("GPU")
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    if not found:
        _warn_of_idle_gpus()


@contextlib.contextmanager
def _without_collections():
    """The first import leaves hardly any garbage, and no collection looks at its modules again."""
    if "tensorflow" in sys.modules:
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _warn_of_idle_gpus():
    models = NVIDIA_CONTROL.exists() and _gpu_models()
    if models and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1"):
        warnings.warn(
            f"TensorFlow cannot use the {models[0]} and goes on without it; pip install "
            "'robust-metric-learning-tf[gpu]' brings CUDA, CUDA_VISIBLE_DEVICES=-1 silences this",
            stacklevel=2,
        )


def _keep_compiled_programs():
    """Lets XLA keep what it compiles for a GPU, in the user's cache: a second start has it.

    TensorFlow reads the setting when it starts. What the user has set there stays.
    """
    flags, name = os.environ.get("TF_XLA_FLAGS", ""), "--tf_xla_persistent_cache_directory"
    try:  # a program belongs to the TensorFlow that compiled it
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        return
    # And to the GPU, of which TensorFlow's key of a program says nothing
    # (tensorflow/compiler/jit/device_executable_persistor.h): a home may serve several machines.
    models = (re.sub(r"[^\w.]+", "_", model) for model in sorted(set(_gpu_models())))
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "robust_tf", "-".join(["xla", version, *models]))
    # TensorFlow divides the flags at a space, and compiles nothing that it cannot write.
    if name not in flags and " " not in folder and can_be_written(pathlib.Path(folder)):
        of_gpus = "--tf_xla_persistent_cache_device_types=GPU"
        os.environ["TF_XLA_FLAGS"] = f"{flags} {name}={folder} {of_gpus}".strip()


def _gpu_models():
    """The models of the NVIDIA GPUs of this machine, as the driver names them, list of str."""
    files = sorted(NVIDIA_GPUS.glob("*/information"))
    lines = (line for file in files for line in file.read_text("utf-8").splitlines())
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
