"""A SavedModel, ours or not, as a classifier that can be attacked."""

import keras
import tensorflow as tf

from robust_tf.attacks.logits_of import full_precision
from robust_tf.errors import UserError


class SavedClassifier:
    """What evaluation needs of a network, around one signature of a SavedModel.

    Args:
        signature: `SavedSignature`.
        info: `DatasetInfo` of the images to show it.
        output: name of its output, logits [n, classes].
        class_names: names of the logits in their order, None where that is the order of `info`.

    Attributes:
        name, inputs, output: Like a keras.Model with the output "logits".
        weights_hash: SHA-256, in hex, of the graph, the variables, and what of them is used.
        differentiable: whether the logits have a gradient with respect to the images.

    Raises:
        UserError: no such output, other images or classes.
    """

    def __init__(self, signature, info, *, output="logits", class_names=None):
        self._signature, self._output = signature, output
        signature.require(info.image_shape, output)
        self.name = signature.name
        self.batch_size = signature.batch_size
        self.inputs = [keras.KerasTensor([None, *info.image_shape], "float32", name="image")]
        self.differentiable, logits = signature.try_gradient(info.image_shape, output)
        if logits.shape.rank != 2 or logits.shape[1] != info.num_classes:
            raise UserError(
                f"{signature.path}: output {output} is {tuple(logits.shape)}, the data have "
                f"{info.num_classes} classes"
            )
        self._columns = None if class_names is None else _columns(class_names, info.class_names)
        self.weights_hash = signature.hash_of(output, self._columns)
        self.output = {"logits": keras.KerasTensor([None, info.num_classes], "float32")}

    def __call__(self, images, training=False):
        """Returns {"logits": float [n, classes]}; `training` is not used."""
        logits = full_precision(self._signature(images)[self._output])
        if self._columns is not None:
            logits = tf.gather(logits, self._columns, axis=1)
        # A signature may have forgotten the shape that the attacks need.
        return {"logits": tf.ensure_shape(logits, [images.shape[0], logits.shape[-1]])}


def _columns(own, wanted):
    """For each class of the data the place of its logit."""
    if sorted(own) != sorted(wanted):
        differing = sorted(set(own) ^ set(wanted))[:5]
        raise UserError(
            f"--class_names has {len(own)} names, the data {len(wanted)} classes; they differ in "
            f"{', '.join(differing) or 'names that occur twice'}"
        )
    return [list(own).index(name) for name in wanted]
