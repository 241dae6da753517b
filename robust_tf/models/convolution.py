"""The convolution of the residual networks: without a bias, since batch norm follows."""

from keras import layers

from robust_tf.models.initial_weights import convolution_start


def convolution(x, channels, kernel_size, stride=1, *, name):
    """Maps [B, h, w, c] to [B, h / stride, w / stride, channels], sides rounded up."""
    return layers.Conv2D(
        channels,
        kernel_size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=convolution_start(),
        name=name,
    )(x)
