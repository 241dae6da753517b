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
        signature: `SavedSignature`.
        info: `DatasetInfo` of the images to show it.
        output: name of its output, logits [n, classes].

    Attributes:
        name, inputs, output: as of a keras.Model with the output "logits".
        weights_hash: SHA-256, in hex, of the graph and the variables.
        differentiable: whether the logits have a gradient with respect to the images.

    Raises:
        UserError: no such output, other images or classes.
    """

    def __init__(self, signature, info, *, output="logits"):
        path, endpoint = signature.path, signature.endpoint
        self.name = pathlib.Path(path).name
        self._signature, self._output = signature, output
        if not signature.shape.is_compatible_with([None, *info.image_shape]):
            shape = "x".join(map(str, info.image_shape))
            raise UserError(f"{path}: {endpoint} takes {signature.shape}, the images are {shape}")
        if output not in signature.outputs:
            raise UserError(
                f"{path} has no output {output!r}; it has {', '.join(signature.outputs)} (--output)"
            )
        self.batch_size = signature.batch_size
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
        logits = self._signature(images)[self._output]
        # A signature may have forgotten the shape that the attacks need.
        return {"logits": tf.ensure_shape(logits, [images.shape[0], logits.shape[-1]])}

    def _try(self, shape):
        images = tf.fill([self.batch_size or 2, *shape], 0.5)
        try:
            with tf.GradientTape() as tape:
                tape.watch(images)
                logits = self._signature(images)[self._output]
            return tape.gradient(logits, images) is not None, logits
        except (LookupError, tf.errors.OpError, TypeError, ValueError):
            return False, self._signature(images)[self._output]


def _files_hash(path):
    found = hashlib.sha256()
    for name in ("saved_model.pb", "variables/variables.index"):
        file = pathlib.Path(path, name)
        found.update(file.read_bytes() if file.exists() else b"")
    for file in sorted(pathlib.Path(path, "variables").glob("variables.data-*")):
        found.update(np.fromfile(file, np.uint8).tobytes())
    return found.hexdigest()
