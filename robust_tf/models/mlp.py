"""The network without convolutions that the TLA authors' code has for MNIST."""

from keras import layers

from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier, image_input
from robust_tf.models.initial_weights import truncated_start

WIDTH = 1024


def mlp(info, *, name):
    """Three dense layers with batch norm, d = 1024 (TLA, authors' code).

    2 919 434 trainable parameters for 28x28x1 images of 10 classes.
    """
    image, x = image_input(info)
    x = layers.Flatten()(x)
    for number in 1, 2, 3:
        x = layers.Dense(WIDTH, name=f"dense{number}", **truncated_start())(x)
        x = layers.ReLU()(batch_norm(f"bn{number}")(x))
    return classifier(image, x, info, name=name, **truncated_start())
