"""The convolution of the residual networks: without a bias, since batch norm follows."""

from keras import layers

from robust_tf.models.initial_weights import convolution_start


def convolution(x, channels, kernel_size, stride=1):
    """Returns [B, h / stride, w / stride, channels], rounded up, of [B, h, w, c]."""
    return layers.Conv2D(
        channels,
        kernel_size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=convolution_start(),
    )(x)
