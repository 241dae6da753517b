"""The LeNets of MNIST: the large one of TLA and the small one of Madry et al. (2018)."""

from keras import layers

from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier, image_input
from robust_tf.models.initial_weights import truncated_start
from robust_tf.models.network_input import require_side

SMALLEST_SIDE = 4  # two 2x2 poolings


def large_lenet(info, *, name):
    """Four 3x3 convolutions and a dense layer with batch norm, d = 1024 (TLA, section 5.1).

    13 247 178 trainable parameters for 28x28x1 images of 10 classes.

    Raises:
        UserError: the images are too small for its poolings.
    """
    require_side(info, SMALLEST_SIDE, name)
    image, x = image_input(info)
    blocks = (32, False), (64, True), (128, False), (256, True)
    for number, (filters, pool) in enumerate(blocks, start=1):
        x = _convolution(x, filters, 3, number)
        x = layers.ReLU()(batch_norm(f"bn{number}")(x))
        x = layers.MaxPooling2D(2)(x) if pool else x
    x = batch_norm("dense_bn")(_dense(x))
    return classifier(image, layers.ReLU()(x), info, name=name, **truncated_start())


def small_lenet(info, *, name):
    """Two 5x5 convolutions and a dense layer without batch norm, d = 1024 (Madry et al. 2018).

    3 274 634 parameters for 28x28x1 images of 10 classes.

    Raises:
        UserError: the images are too small for its poolings.
    """
    require_side(info, SMALLEST_SIDE, name)
    image, x = image_input(info)
    for number, filters in enumerate((32, 64), start=1):
        x = layers.ReLU()(_convolution(x, filters, 5, number))
        x = layers.MaxPooling2D(2)(x)
    x = layers.ReLU()(_dense(x))
    return classifier(image, x, info, name=name, **truncated_start())


def _convolution(x, filters, size, number):
    start = truncated_start()
    return layers.Conv2D(filters, size, padding="same", name=f"conv{number}", **start)(x)


def _dense(x):
    return layers.Dense(1024, name="dense", **truncated_start())(layers.Flatten()(x))
