"""ONNX and LiteRT files of a network, through `keras.Model.export`, and their runtimes.

They carry the network alone: float images to its outputs, without guard, decoding, class names,
detector or search.
"""

import importlib.util
import pathlib

import numpy as np
import tensorflow as tf

from robust_tf.errors import RunError, UserError, reason_of

FILES = {"onnx": "model.onnx", "litert": "model.tflite", "litert_int8": "model.tflite"}
# Format -> extra of this package, and the modules of its packages.
NEEDED = {
    "onnx": ("onnx", ("tf2onnx", "onnx", "onnxruntime")),
    "litert": ("litert", ("ai_edge_litert",)),
    "litert_int8": ("litert", ("ai_edge_litert",)),
}
TOLERANCE = 1e-4


def require_packages(format):
    """Raises UserError if a package of a format is missing."""
    extra, modules = NEEDED[format]
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"--format={format} needs {', '.join(missing)}; pip install "
            f"'robust-metric-learning-tf[{extra}]'"
        )


def write_portable(folder, network, format, images):
    """Writes the file of a format.

    Args:
        folder: pathlib.Path, made if missing.
        network: keras.Model.
        format: a key of `FILES`.
        images: float32 [n, h, w, c]; the ranges of their activations scale the integers of
            litert_int8.

    Returns:
        pathlib.Path of the file.

    Raises:
        RunError: an operation of the network that the format does not have.
    """
    folder.mkdir(exist_ok=True)
    path = folder / FILES[format]
    network(images[:1])  # Keras exports a network to ONNX only after its first call
    options = {}
    if format == "litert_int8":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
        options["representative_dataset"] = lambda: ([image[None]] for image in images)
    try:
        network.export(
            str(path), format="onnx" if format == "onnx" else "litert", verbose=False, **options
        )
    except OSError:  # of the disk, not of the network
        raise
    except Exception as error:
        raise RunError(
            f"--format={format}: the network cannot be converted: {reason_of(error)}"
        ) from error
    return path


def portable_function(path):
    """Returns the function of a file in its own runtime: float32 [n, h, w, c] -> dict of outputs.

    Args:
        path: Path of an .onnx or .tflite file.
    """
    path = pathlib.Path(path)
    return _onnx(path) if path.suffix == ".onnx" else _litert(path)


def compare_outputs(path, network, images):
    """Returns the largest difference between a file and its network.

    It is absolute, or relative to the largest value of an output where this is above 1; not finite
    where an output is not.

    Args:
        path: Path of the file.
        network: keras.Model.
        images: float32 [n, h, w, c].

    Raises:
        RunError: other outputs.
    """
    found = portable_function(path)(images)
    with tf.device("CPU:0"):  # as in the runtimes: a GPU rounds float32 to TF32
        expected = network(images, training=False)
    if found.keys() != expected.keys():
        raise RunError(f"{path} has outputs {sorted(found)}, the network {sorted(expected)}")
    scales = {name: max(1.0, np.max(np.abs(expected[name]))) for name in expected}
    return float(
        np.max([np.abs(found[name] - expected[name]).max() / scales[name] for name in scales])
    )


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    (given,) = session.get_inputs()
    return lambda images: dict(zip(names, session.run(None, {given.name: images}), strict=True))


def _litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    (details,) = interpreter.get_input_details()
    run = interpreter.get_signature_runner("serving_default")
    (name,) = run.get_input_details()

    def function(images):
        # The converted graph may have kept a batch of one.
        single = details["shape_signature"][0] == 1
        parts = [images[row : row + 1] for row in range(len(images))] if single else [images]
        outputs = [
            {key: value.copy() for key, value in run(**{name: part}).items()} for part in parts
        ]
        return {key: np.concatenate([found[key] for found in outputs]) for key in outputs[0]}

    return function
