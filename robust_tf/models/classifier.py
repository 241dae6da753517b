"""Both ends of every classifier: images in [0, 1] in, full-precision logits and embedding out."""

import keras

from robust_tf.models.channel_normalization import ChannelNormalization
from robust_tf.models.initial_weights import head_start
from robust_tf.models.network_input import full_precision, normalized_input
from robust_tf.models.per_image_standardization import PerImageStandardization


def image_input(info):
    """Returns the input "image" [B, h, w, c] in [0, 1] and what the first convolution reads.

    Args:
        info: DatasetInfo; `image_shape` and `standardize` are read.
    """
    return normalized_input(info, PerImageStandardization if info.standardize else None)


def torch_image_input(info):
    """As `image_input`, for networks that PyTorch trained: the weights have the normalisation."""
    return normalized_input(info, ChannelNormalization, name="normalization")


def classifier(image, embedding, info, *, name, kernel_initializer=None, bias_initializer="zeros"):
    """Closes the graph with its last dense layer.

    Args:
        image: the input of the graph.
        embedding: [B, d], what the last dense layer reads.
        info: DatasetInfo; `num_classes` is read.
        kernel_initializer, bias_initializer: start of the last layer, a kernel by default of
            `head_start`.

    Returns:
        keras.Model called `name` with outputs {"logits": [B, classes], "embedding": [B, d]}, both
        in the dtype of the variables: float32 under the mixed policies.
    """
    dtype = full_precision()
    embedding = keras.layers.Activation("linear", dtype=dtype, name="embedding")(embedding)
    logits = keras.layers.Dense(
        info.num_classes,
        kernel_initializer=kernel_initializer or head_start(),
        bias_initializer=bias_initializer,
        dtype=dtype,
        name="logits",
    )(embedding)
    return keras.Model(image, {"logits": logits, "embedding": embedding}, name=name)
