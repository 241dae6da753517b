"""The MNIST network of Wong, Rice and Kolter (2020), "Fast is better than free"."""

from keras import layers

from robust_tf.models.classifier import classifier
from robust_tf.models.ends import normalized_input


def wong_mnist(info, *, name):
    """Two 4x4 convolutions of stride 2 and a dense layer, no batch norm, d = 100.

    166 406 trainable parameters for 28x28x1 images of 10 classes.
    """
    image, x = normalized_input(info)
    for number, filters in enumerate((16, 32), start=1):
        x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(filters, 4, strides=2, activation="relu", name=f"conv{number}")(x)
    x = layers.Dense(100, activation="relu", name="dense")(layers.Flatten()(x))
    return classifier(image, x, info, name=name)
