"""The network of HM for 28x28 images."""

from keras import layers

from robust_tf.models.embedding_network import embedding_network, fan_in_start, image_input


def c2f2(info, *, name):
    """Two 5x5 convolutions and two dense layers, no batch norm (HM, authors' code).

    3 789 184 parameters for 28x28x1 images.
    """
    image, x = image_input(info)
    for filters in 32, 64:
        start = fan_in_start(25 * x.shape[-1])
        x = layers.Conv2D(filters, 5, padding="same", activation="relu", **start)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1024, activation="relu", **fan_in_start(x.shape[-1]))(x)
    return embedding_network(image, x, name=name)
