"""The convolution of networks that were trained with PyTorch: the same padding on all sides."""

from keras import layers

from robust_tf.models.initial_weights import convolution_start


def symmetric_convolution(x, channels, size, stride=1, *, name):
    """Maps [B, h, w, c] to [B, h / stride, w / stride, channels], sides rounded up; no bias.

    Args:
        x: Symbolic.
        channels: Output channels.
        size: Side of the kernel, odd.
        stride: Step of the kernel.
        name: Name of the layer.
    """
    if stride > 1 and size > 1:
        # "same" would pad more at the right and at the bottom.
        x = layers.ZeroPadding2D(size // 2)(x)
    return layers.Conv2D(
        channels,
        size,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=convolution_start(),
        name=name,
    )(x)
