"""A .keras file, ours or not, in the place of a SavedModel's signature."""

import hashlib
import pathlib

import keras
import tensorflow as tf

from robust_tf.errors import UserError, reason_of
from robust_tf.evaluation.saved_signature import SavedSignature


class KerasFile(SavedSignature):
    """A keras.Model of one input, images float32 [n, h, w, c]; attributes: see `SavedSignature`.

    The only output of a model without named outputs is called "logits".

    Args:
        path: Path of the file.
        input_range: See `SavedSignature`.

    Raises:
        UserError: no such file, one that cannot be loaded, another number of inputs.
    """

    def __init__(self, path, input_range=(0.0, 1.0)):
        self._model = _load(path)
        if len(self._model.inputs) != 1:
            raise UserError(f"{path} takes {len(self._model.inputs)} inputs, not only images")
        outputs = self._model.output
        self.outputs = sorted(outputs) if isinstance(outputs, dict) else ["logits"]
        shape = tf.TensorShape(self._model.inputs[0].shape)
        self._describe(path, "the model", shape, input_range)

    @property
    def weights_hash(self):
        """SHA-256, in hex, of the file."""
        return hashlib.sha256(pathlib.Path(self.path).read_bytes()).hexdigest()

    def _run(self, images):
        found = self._model(images, training=False)
        return found if isinstance(found, dict) else {"logits": found}


def _load(path):
    if not pathlib.Path(path).is_file():
        raise UserError(f"--model={path} is not a file; give a .keras file")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise UserError(f"--model={path} cannot be loaded: {reason_of(error)}") from error
