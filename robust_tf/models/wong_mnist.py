"""The MNIST network of Wong, Rice and Kolter (2020), "Fast is better than free"."""

from keras import layers

from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier
from robust_tf.models.network_input import normalized_input


def wong_mnist(info, *, name, normalized=False):
    """Two 4x4 convolutions of stride 2 and a dense layer, d = 100.

    166 406 trainable parameters for 28x28x1 images of 10 classes.

    Args:
        info: `DatasetInfo`.
        name: name of the network.
        normalized: whether batch norm stands before each ReLU, which the authors do not have.
    """
    activation = None if normalized else "relu"

    def normalize(x):
        return layers.ReLU()(batch_norm()(x)) if normalized else x

    image, x = normalized_input(info)
    for number, filters in enumerate((16, 32), start=1):
        convolution = layers.Conv2D(filters, 4, 2, activation=activation, name=f"conv{number}")
        x = normalize(convolution(layers.ZeroPadding2D(1)(x)))
    x = normalize(layers.Dense(100, activation=activation, name="dense")(layers.Flatten()(x)))
    return classifier(image, x, info, name=name)
