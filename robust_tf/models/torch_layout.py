"""Names and axes of the weights of a layer in PyTorch and in Keras."""

NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# Counts updates, which no output depends on.
COUNTER = "num_batches_tracked"


def keras_layout(weight):
    """Returns a weight with the axes of Keras.

    Args:
        weight: Array; [out, in, h, w] of a convolution, [out, in] of a dense layer, [c] of others.
    """
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)
    return weight.T


def channels_last(weight, shape):
    """Returns the weight of a dense layer that reads a flattened image, its columns reordered.

    PyTorch flattens the channels first, Keras flattens them last.

    Args:
        weight: [out, channels * h * w].
        shape: (channels, h, w).
    """
    columns = weight.reshape(-1, *shape)
    return columns.transpose(0, 2, 3, 1).reshape(weight.shape)
