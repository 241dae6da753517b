"""L2 weight decay as a loss term (coupled), and the regularizers that layers bring."""

import keras
import tensorflow as tf


def decayed_kernels(model):
    """Returns the kernels of the convolution and dense layers of `model`, each once.

    Those of nested models, blocks and wrappers count, too, and both kernels of a separable
    convolution. Biases and the scales and offsets of batch norm are no kernels. The integers of
    quantized layers are left out: nothing trains them.
    """
    return [weight for weight in _kernels(model) if keras.backend.is_float_dtype(weight.dtype)]


def integer_kernels(model):
    """Returns the kernels of the quantized layers of `model`, which no gradient reaches."""
    return [weight for weight in _kernels(model) if keras.backend.is_int_dtype(weight.dtype)]


def l2_weight_decay(kernels):
    """Returns the scalar sum of 1/2 ||W||^2 over `kernels`, in the dtype of the variables.

    The caller applies the weight (0.0002 for TLA). The authors' code has the same form.
    """
    return sum(tf.nn.l2_loss(kernel.value) for kernel in kernels)


def regularizers_of_layers(variables):
    """Returns the scalar sum of what the regularizers of `variables` add to a loss; 0 for none."""
    return sum(one.regularizer(one.value) for one in variables if one.regularizer is not None)


def _kernels(model):
    return [weight for weight in model.weights if weight.name.endswith("kernel")]
