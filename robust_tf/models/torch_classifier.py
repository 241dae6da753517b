"""Both ends of the classifiers that were trained with PyTorch."""

from robust_tf.models.channel_normalization import ChannelNormalization
from robust_tf.models.classifier import classifier
from robust_tf.models.ends import normalized_input
from robust_tf.models.initial_weights import head_start


def image_input(info):
    """Returns the input "image" [B, h, w, c] in [0, 1] and the normalised image.

    The weights decide on the normalisation, whatever the data set's own is.

    Args:
        info: DatasetInfo; `image_shape` is read.
    """
    return normalized_input(info, ChannelNormalization(name="normalization"))


def torch_classifier(image, embedding, info, *, name):
    """Closes the graph, see `classifier`."""
    return classifier(image, embedding, info, name=name, kernel_initializer=head_start())
