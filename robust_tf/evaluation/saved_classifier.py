"""A SavedModel, ours or not, as a classifier that can be attacked."""

import hashlib
import pathlib

import keras
import numpy as np
import tensorflow as tf

from robust_tf.errors import UserError


class SavedClassifier:
    """What evaluation needs of a network, around one signature of a SavedModel.

    Args:
        path: folder of the SavedModel.
        info: `DatasetInfo` of the images to show it.
        endpoint: name of the signature; it takes one input, images float32 [n, h, w, c] in [0, 1].
        output: name of its output, logits [n, classes].

    Attributes:
        name, inputs, output: as of a keras.Model with the output "logits".
        weights_hash: SHA-256, in hex, of the graph and the variables.
        differentiable: whether the logits have a gradient with respect to the images.

    Raises:
        UserError: no SavedModel, no such endpoint or output, other images or classes.
    """

    def __init__(self, path, info, *, endpoint="serving_default", output="logits"):
        self.name = pathlib.Path(path).name
        self._path = path
        self._loaded = _load(path)  # the signature does not keep its variables alive
        self._signature = self._find(endpoint)
        self._output = output
        (self._input, spec), *others = self._signature.structured_input_signature[1].items()
        if others or not spec.shape.is_compatible_with([None, *info.image_shape]):
            shape = "x".join(map(str, info.image_shape))
            raise UserError(f"{path}: {endpoint} takes {spec.shape}, the images are {shape}")
        if spec.dtype != tf.float32:
            raise UserError(f"{path}: {endpoint} takes {spec.dtype.name}, not float32 in [0, 1]")
        self._require(output, self._signature.structured_outputs)
        self.batch_size = spec.shape[0]
        self.inputs = [keras.KerasTensor([None, *info.image_shape], "float32", name="image")]
        self.weights_hash = _files_hash(path)
        self.differentiable, logits = self._try(info.image_shape)
        if logits.shape.rank != 2 or logits.shape[1] != info.num_classes:
            raise UserError(
                f"{path}: output {output} is {tuple(logits.shape)}, the data have "
                f"{info.num_classes} classes"
            )
        self.output = {"logits": keras.KerasTensor([None, info.num_classes], "float32")}

    def __call__(self, images, training=False):
        """Returns {"logits": float [n, classes]}; `training` is not used."""
        logits = self._signature(**{self._input: images})[self._output]
        # A signature may have forgotten the shape that the attacks need.
        return {"logits": tf.ensure_shape(logits, [images.shape[0], logits.shape[-1]])}

    def _find(self, endpoint):
        signatures = self._loaded.signatures
        if endpoint not in signatures:
            raise UserError(
                f"{self._path} has no endpoint {endpoint!r}; it has "
                f"{', '.join(signatures) or 'none'} (--endpoint)"
            )
        return signatures[endpoint]

    def _require(self, output, outputs):
        if output not in outputs:
            raise UserError(
                f"{self._path} has no output {output!r}; it has "
                f"{', '.join(sorted(outputs))} (--output)"
            )

    def _try(self, shape):
        images = tf.fill([self.batch_size or 2, *shape], 0.5)
        try:
            with tf.GradientTape() as tape:
                tape.watch(images)
                logits = self._signature(**{self._input: images})[self._output]
            return tape.gradient(logits, images) is not None, logits
        except (LookupError, tf.errors.OpError, TypeError, ValueError):
            return False, self._signature(**{self._input: images})[self._output]


def _load(path):
    if not tf.saved_model.contains_saved_model(str(path)):
        raise UserError(f"--saved_model={path} holds no SavedModel (no saved_model.pb in it)")
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"--saved_model={path} cannot be loaded: {reason}") from error


def _files_hash(path):
    found = hashlib.sha256()
    for name in ("saved_model.pb", "variables/variables.index"):
        file = pathlib.Path(path, name)
        found.update(file.read_bytes() if file.exists() else b"")
    for file in sorted(pathlib.Path(path, "variables").glob("variables.data-*")):
        found.update(np.fromfile(file, np.uint8).tobytes())
    return found.hexdigest()
