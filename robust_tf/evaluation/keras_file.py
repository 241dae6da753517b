"""A .keras file, ours or not, in the place of a SavedModel's signature."""

import functools
import math
import pathlib
import zipfile

import keras
import tensorflow as tf

from robust_tf.attacks.logits_of import logits_of
from robust_tf.errors import UserError, reason_of
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version

# Loading needs the layers of every network.
from robust_tf.models import embedding_registry, registry  # noqa: F401
from robust_tf.models.keras_network import functional
from robust_tf.results import digest
from robust_tf.training.adversarial_model import AdversarialModel


class KerasFile(SavedSignature):
    """A keras.Model of one input, images float32 [n, h, w, c]; attributes: see `SavedSignature`.

    The only output of a model without named outputs is called "logits"; a softmax at its end is
    left out, see `logits_of`. Of a defense the network is taken.

    Args:
        path: Path of the file.
        input_range: See `SavedSignature`.
        as_network: function of the loaded `keras.Model` to the graph that is taken.

    Raises:
        UserError: no such file, one that cannot be loaded, several inputs, outputs without names,
            or a defense beside a range.
    """

    def __init__(self, path, input_range=(0.0, 1.0), as_network=functional):
        model = _load(path)
        defense = isinstance(model, AdversarialModel)
        if defense and tuple(input_range) != (0.0, 1.0):  # its network has its range inside
            raise UserError(
                f"--model={path}: a defense takes images in [0, 1]; leave --input_range out"
            )
        try:
            graph = as_network(model.network if defense else model)
            named = isinstance(graph.output, dict)
            self._model = functools.partial(graph, training=False) if named else logits_of(graph)
        except (UserError, ValueError) as error:
            raise UserError(f"--model={path}: {error}") from error
        outputs = graph.output if named else {"logits": graph.output}
        shape = tf.TensorShape(graph.inputs[0].shape)
        self._describe(path, "the model", shape, input_range, outputs)

    @property
    def weights_hash(self):
        """SHA-256, in hex, of the file."""
        return digest.of_file(self.path)

    def _run(self, images):
        found = self._model(images)
        return found if isinstance(found, dict) else {"logits": found}


def open_signature(saved_model, model, endpoint, input_range, as_network=functional):
    """Returns the `SavedSignature` of a SavedModel, or the `KerasFile` of a .keras file.

    Args:
        saved_model: path of a SavedModel, or of an export_dir, whose newest version is taken.
        model: path of a .keras file; None means the SavedModel.
        endpoint: name of the SavedModel's signature.
        input_range: what it takes for black and white, as typed: "0,255".
        as_network: see `KerasFile`.

    Raises:
        UserError: a range of other than two ascending numbers.
    """
    try:
        low, high = map(float, input_range.split(","))
    except ValueError as error:
        raise UserError(f"--input_range={input_range}: give two numbers, as 0,255") from error
    if not -math.inf < low < high < math.inf:
        raise UserError(f"--input_range={input_range}: the second must be above the first")
    if model:
        return KerasFile(pathlib.Path(model).resolve(), (low, high), as_network)
    return SavedSignature(newest_version(saved_model), endpoint, (low, high))


def _load(path):
    if not pathlib.Path(path).is_file():
        raise UserError(f"--model={path} is not a file; give a .keras file")
    # Of an .h5 file Keras before 3.11.3 runs the code, in safe mode too.
    if not zipfile.is_zipfile(path):
        raise UserError(f"--model={path} is no .keras file, or is cut off")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        reason = reason_of(error).split(" Full object config:")[0]
        raise UserError(
            f"--model={path} cannot be loaded: {reason.rstrip('.')}; a model with code of your own "
            "is loaded in Python, for robust_tf.robust_accuracy or hm_tf.robust_retrieval"
        ) from error
