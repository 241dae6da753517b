"""The device, and the rate at which it convolves: the ceiling that a step is compared with."""

import time

import tensorflow as tf

from robust_tf.runs.provenance import device

# As in the middle of wrn_32_10: 3 x 3 kernels, 160 channels, 32 x 32 pixels.
CHANNELS, SIDE = 160, 32


def convolution_rate(dtype, xla):
    """Returns the FLOP per second of a chain of convolutions.

    Args:
        dtype: name of the float type.
        xla: whether XLA compiles the chain.
    """
    gpu = bool(tf.config.list_physical_devices("GPU"))
    batch, count = (256, 100) if gpu else (1, 2)
    images = tf.ones([batch, SIDE, SIDE, CHANNELS], dtype)
    kernel = tf.ones([3, 3, CHANNELS, CHANNELS], dtype) / (9 * CHANNELS)

    @tf.function(jit_compile=xla, autograph=False)
    def chain(images):
        return tf.while_loop(
            lambda number, x: number < count,
            lambda number, x: (number + 1, tf.nn.conv2d(x, kernel, 1, "SAME")),
            (0, images),
        )[1]

    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        float(tf.reduce_sum(tf.cast(chain(images)[0, 0, 0], tf.float32)))
        seconds.append(time.perf_counter() - start)
    flop = count * 2 * batch * SIDE**2 * 9 * CHANNELS**2
    return flop / min(seconds[1:])


def line(flop, seconds, precision, xla):
    """Returns a sentence on the rate of a step.

    Args:
        flop: FLOP of the step.
        seconds: that it takes.
        precision: Keras policy.
        xla: see `convolution_rate`.
    """
    dtype = precision.removeprefix("mixed_")
    reached, ceiling = flop / seconds, convolution_rate(dtype, xla)
    return (
        f"{device()}: {reached / 1e12:.3g} TFLOP/s, {100 * reached / ceiling:.0f} % of the "
        f"{ceiling / 1e12:.3g} TFLOP/s of a 3 x 3 convolution of {CHANNELS} channels in {dtype}"
    )
