"""Networks without their last layers, which a classifier and an embedding network share."""

import functools

from robust_tf.models.preact_resnet import preact_resnet_18_trunk
from robust_tf.models.resnet import NARROW_WIDTHS, imagenet_trunk, resnet_18_trunk

# Name of the network of either kind -> function of a DatasetInfo and bn to (image, features).
TRUNKS = {
    "preact_resnet_18": preact_resnet_18_trunk,
    "preact_resnet_18_silu": functools.partial(preact_resnet_18_trunk, activation="silu"),
    # Not in the papers: for processors without a GPU, where a step of resnet18 takes seconds.
    "resnet10_16": functools.partial(imagenet_trunk, depth=10, widths=NARROW_WIDTHS),
    "resnet_18": resnet_18_trunk,
    "resnet_18_silu": functools.partial(resnet_18_trunk, activation="silu"),
}
