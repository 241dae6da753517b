"""A small embedding network for the 8x8 digits."""

from keras import layers

from robust_tf.models.embedding_network import embedding_network, fan_in_start, image_input


def digits_embedding(info, *, name):
    """Two 3x3 convolutions, one 2x2 pooling and a dense layer, no batch norm, d = 64.

    158 272 parameters for 8x8x1 images.
    """
    image, x = image_input(info)
    for filters in 32, 64:
        start = fan_in_start(9 * x.shape[-1])
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", **start)(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    x = layers.Dense(128, activation="relu", **fan_in_start(x.shape[-1]))(x)
    return embedding_network(image, x, name=name, dimension=64)
