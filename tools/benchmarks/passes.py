"""Bare passes through a network, the unit in which attacks and steps are measured."""

import tensorflow as tf

from robust_tf import randomness


def input_gradient_pass(values_fn, xla=False):
    """Returns the compiled function of a forward pass and the gradient with respect to the images.

    Args:
        values_fn: images to a tensor whose sum is differentiated.
        xla: whether it is compiled with XLA.
    """

    @tf.function(jit_compile=xla, autograph=False)
    def bare(images):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            total = tf.reduce_sum(values_fn(images))
        return tape.gradient(total, images)

    return bare


def attack_pass(attack, objective, xla=False):
    """Returns the compiled function of an attack on images.

    Args:
        attack: `PGD`.
        objective: see `PGD.ascend`.
        xla: see `input_gradient_pass`.
    """

    @tf.function(jit_compile=xla, autograph=False)
    def craft(images):
        return attack.ascend(objective, images, key=randomness.key(0, 0, "benchmark"))

    return craft


def training_pass(network, output, xla):
    """Returns the compiled function of a forward pass and the gradients of all weights.

    Args:
        network: keras.Model with dict outputs.
        output: name of the output that is differentiated.
        xla: see `input_gradient_pass`.
    """

    @tf.function(jit_compile=xla, autograph=False)
    def bare(images):
        with tf.GradientTape() as tape:
            total = weighted_sum(network(images, training=True)[output])
        gradients = tape.gradient(total, network.trainable_variables)
        return [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]

    return bare


def weighted_sum(values):
    """A sum over float [n, d] whose gradient differs from entry to entry."""
    return tf.reduce_sum(values * tf.linspace(-1.0, 1.0, values.shape[-1]))


def waiting(function, *arguments):
    """Returns the call without arguments that ends when its last result is there."""
    return lambda: tf.nest.map_structure(lambda tensor: tensor.numpy(), function(*arguments))
