"""A small network for the 8x8 digits: trains adversarially within seconds on a processor."""

from keras import layers

from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier, image_input
from robust_tf.models.network_input import require_side


def digits_cnn(info, *, name):
    """Two 3x3 convolutions and a dense layer with batch norm, one 2x2 pooling, d = 64.

    85 226 trainable parameters for 8x8x1 images of 10 classes.

    Raises:
        UserError: the images are too small for its pooling.
    """
    require_side(info, 2, name)
    image, x = image_input(info)
    for filters in 32, 64:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(batch_norm()(x))
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    embedding = layers.ReLU()(batch_norm()(layers.Dense(64, use_bias=False)(x)))
    return classifier(image, embedding, info, name=name, kernel_initializer="glorot_uniform")
