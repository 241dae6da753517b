"""A SavedModel, ours or not, as an embedding network that can be attacked."""

import keras
import numpy as np
import tensorflow as tf

from robust_tf.errors import UserError

UNIT = 1e-3  # a network in bfloat16 that normalises by itself comes as close


class SavedEmbedding:
    """What retrieval and ranking attacks need of a network, around one signature of a SavedModel.

    Args:
        signature: `SavedSignature`.
        image_shape: (h, w, c) of the images.
        output: name of its output, float [n, d], unit vectors.

    Attributes:
        name, inputs, output: Like a keras.Model with the output "embedding".
        weights_hash: SHA-256, in hex, of the graph, the variables, and what of them is used.

    Raises:
        UserError: other images, batches of one size, no such output, another output than unit
            vectors, no gradient.
    """

    def __init__(self, signature, image_shape, *, output="embedding"):
        self._signature, self._output = signature, output
        signature.require(image_shape, output)
        if signature.batch_size is not None:
            raise UserError(
                f"{signature.path} takes batches of {signature.batch_size} images; the ranking "
                "attacks need any number"
            )
        self.name = signature.name
        self.weights_hash = signature.hash_of(output, usual="embedding")
        self.inputs = [keras.KerasTensor([None, *image_shape], "float32", name="image")]
        differentiable, found = signature.try_gradient(image_shape, output)
        norms = np.linalg.norm(found, axis=-1) if found.shape.rank == 2 else np.zeros(1)
        if np.abs(norms - 1).max() > UNIT:
            raise UserError(
                f"{signature.path}: output {output} is {tuple(found.shape)} of length "
                f"{norms.max():.3g}, not unit vectors; end the network with "
                "keras.layers.UnitNormalization, or name another output"
            )
        if not differentiable:
            raise UserError(
                f"{signature.path}: output {output} has no gradient with respect to the images; "
                "the ranking attacks need it"
            )
        self.output = {"embedding": keras.KerasTensor([None, found.shape[1]], "float32")}

    def __call__(self, images, training=False):
        """Returns {"embedding": float [n, d]}; `training` is not used."""
        found = self._signature(images)[self._output]
        # A signature may have forgotten the shape that the attacks need.
        return {"embedding": tf.ensure_shape(found, [images.shape[0], found.shape[-1]])}
