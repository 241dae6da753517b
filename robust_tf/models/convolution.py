"""The convolutions of the residual networks: without a bias, since batch norm follows."""

from keras import layers

from robust_tf.models.initial_weights import convolution_start


def convolution(x, channels, size, stride=1, *, name, padding="same"):
    """Maps [B, h, w, c] to [B, h / stride, w / stride, channels], sides rounded up.

    Args:
        x: Symbolic.
        channels: Output channels.
        size: Side of the kernel.
        stride: Step of the kernel.
        name: Name of the layer.
        padding: Padding of `keras.layers.Conv2D`.
    """
    return layers.Conv2D(
        channels,
        size,
        stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=convolution_start(),
        name=name,
    )(x)


def symmetric_convolution(x, channels, size, stride=1, *, name):
    """`convolution` with the same padding on all sides, as PyTorch pads; the size is odd."""
    if stride == 1:
        return convolution(x, channels, size, name=name)
    # "same" would pad more at the right and at the bottom.
    padded = layers.ZeroPadding2D(size // 2)(x) if size > 1 else x
    return convolution(padded, channels, size, stride, name=name, padding="valid")
