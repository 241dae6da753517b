"""What an update costs: passes of images through the network, and FLOP of a pass."""

import functools
from typing import NamedTuple

import tensorflow as tf


class Passes(NamedTuple):
    """Images that an update sends through the network, as multiples of its batch.

    Attributes:
        forward: images in forward passes alone.
        input_gradient: images in passes with the gradient with respect to the images.
        training: images in passes with the gradient with respect to images and weights.
    """

    forward: float = 0
    input_gradient: float = 0
    training: float = 1

    @property
    def forwards(self):
        """The cost in forward passes: a gradient in one direction costs as much as a forward."""
        return self.forward + 2 * self.input_gradient + 3 * self.training

    @property
    def attack_share(self):
        """The part of the cost that the inner attack has."""
        return 2 * self.input_gradient / self.forwards


def input_gradients(attack):
    """Returns the input gradients of an inner attack, an int. APGD looks at its start, too.

    Args:
        attack: dict of its kind and steps, as `--inner_attack` and the flags of its steps say.
    """
    kind, steps = attack.get("kind"), attack.get("steps")
    return {"pgd": steps, "apgd": (steps or 0) + 1}.get(kind, 1)


def forward_flop(network):
    """Returns the FLOP of the forward pass of one image.

    A multiplication and an addition count as two. Only convolutions and matrix products count.

    Args:
        network: built `keras.Model`.
    """
    image = network.inputs[0]
    spec = tf.TensorSpec([1, *image.shape[1:]], image.dtype)
    traced = tf.function(lambda images: network(images, training=False), autograph=False)
    operations = traced.get_concrete_function(spec).graph.get_operations()
    return sum(_FLOP[found.type](found) for found in operations if found.type in _FLOP)


def _convolution(operation, axes):
    """Of each output as many as the `axes`, a slice, of the kernel have entries."""
    kernel, outputs = operation.inputs[1].shape, operation.outputs[0].shape
    return 2 * outputs.num_elements() * kernel[axes].num_elements()


def _matrix_product(operation):
    # One image, so every entry of the matrix is used once.
    return 2 * operation.inputs[1].shape.num_elements()


_FLOP = {
    "Conv2D": functools.partial(_convolution, axes=slice(-1)),
    "DepthwiseConv2dNative": functools.partial(_convolution, axes=slice(2)),
    "MatMul": _matrix_product,
}
