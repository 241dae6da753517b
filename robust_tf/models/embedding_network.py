"""Both ends of every embedding network: images in [0, 1] in, vectors of unit length out."""

import keras
from keras import initializers, layers

from robust_tf.models.channel_normalization import ImageNetNormalization
from robust_tf.models.network_input import full_precision, normalized_input
from robust_tf.models.unit_length import UnitLength


def image_input(info):
    """Returns the input "image" [B, h, w, c] in [0, 1] and what the first convolution reads.

    Colour images are normalised as ImageNet's, grey ones are left alone.

    Args:
        info: DatasetInfo; `image_shape` is read.
    """
    return normalized_input(info, ImageNetNormalization if info.image_shape[-1] == 3 else None)


def embedding_network(image, features, *, name, dimension=512):
    """Closes the graph with a dense layer and the normalisation, both in full precision.

    Args:
        image: the input of the graph.
        features: [B, d].
        dimension: width of the embedding.

    Returns:
        keras.Model called `name` with the output {"embedding": [B, dimension]}, of unit length, in
        the dtype of the variables: float32 under the mixed policies.
    """
    dtype = full_precision()
    start = fan_in_start(features.shape[-1])
    vector = layers.Dense(dimension, dtype=dtype, name="fc", **start)(features)
    embedding = UnitLength(dtype=dtype, name="embedding")(vector)
    return keras.Model(image, {"embedding": embedding}, name=name)


def fan_in_start(fan_in):
    """Kernel and bias uniform in +- 1 / sqrt(fan_in), PyTorch's start (HM, authors' code).

    Returns keyword arguments of a layer.
    """
    bound = fan_in**-0.5
    return {
        "kernel_initializer": initializers.RandomUniform(-bound, bound),
        "bias_initializer": initializers.RandomUniform(-bound, bound),
    }
