"""How the networks of the TLA authors' code start."""

from keras import initializers


def truncated_start():
    """The MNIST networks: kernels from a normal of 0.1 cut at two deviations, biases 0.1.

    Returns keyword arguments of a layer.
    """
    return {
        "kernel_initializer": initializers.TruncatedNormal(stddev=0.1),
        "bias_initializer": initializers.Constant(0.1),
    }


def convolution_start():
    """Residual networks: normal of deviation sqrt(2 / fan_out), not truncated."""
    return initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")


def head_start():
    """Last dense layer of residual networks: uniform in +- sqrt(3 / fan_in)."""
    return initializers.VarianceScaling(1.0, mode="fan_in", distribution="uniform")
