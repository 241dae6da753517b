"""Networks by name."""

import functools
import re

from robust_tf.errors import UserError, with_closest
from robust_tf.models.classifier import classifier
from robust_tf.models.digits_cnn import digits_cnn
from robust_tf.models.lenet import large_lenet, small_lenet
from robust_tf.models.mlp import mlp
from robust_tf.models.preact_resnet import preact_resnet_18, preact_resnet_18_v2
from robust_tf.models.resnet import cifar_resnet, imagenet_trunk
from robust_tf.models.robustbench_wide_resnet import robustbench_wide_resnet
from robust_tf.models.tiny_resnet import tiny_res20, tiny_res50
from robust_tf.models.trunks import TRUNKS
from robust_tf.models.unbiased_batch_norm import with_unbiased_variance
from robust_tf.models.wide_resnet import wide_resnet
from robust_tf.models.wong_mnist import wong_mnist

_FIXED = {
    "digits_cnn": digits_cnn,
    "lenet_large": large_lenet,
    "lenet_small": small_lenet,
    "mlp": mlp,
    "robustbench_preact_resnet_18": preact_resnet_18,
    "robustbench_preact_resnet_18_v2": preact_resnet_18_v2,
    "robustbench_resnet_18": functools.partial(cifar_resnet, depth=18),
    "robustbench_resnet_50": functools.partial(cifar_resnet, depth=50),
    "tiny_res20": tiny_res20,
    "tiny_res50": tiny_res50,
    "wong_mnist": wong_mnist,
    "wong_mnist_bn": functools.partial(wong_mnist, normalized=True),
}
_TRUNKS = {
    **TRUNKS,
    "torchvision_resnet_18": functools.partial(imagenet_trunk, depth=18),
    "torchvision_resnet_50": functools.partial(imagenet_trunk, depth=50),
}
_OF_DEPTH_AND_WIDTH = {
    "wrn": wide_resnet,
    "strided_wrn": functools.partial(wide_resnet, stem_stride=2),
    "robustbench_wrn": robustbench_wide_resnet,
}
_DEPTH_AND_WIDTH = re.compile(r"(\w+)_(\d+)_(\d+)")


def names():
    """Returns what `get` takes, for help and error texts; D and W stand for depth and width."""
    return [*sorted([*_FIXED, *_TRUNKS]), *(f"{family}_D_W" for family in _OF_DEPTH_AND_WIDTH)]


def get(name, info, bn_variance="biased"):
    """Builds the network `name` for the images and classes of a dataset.

    Args:
        name: str, e.g. "lenet_large", "wrn_32_10".
        info: DatasetInfo; `image_shape`, `num_classes` and `standardize` are read.
        bn_variance: moving variance of batch norm, "biased", or "unbiased" as in TensorFlow 1.

    Returns:
        keras.Model called `name`: "image" float [B, h, w, c] in [0, 1] to {"logits": [B, classes],
        "embedding": [B, d]}. Build it inside `strategy.scope()` when there is a strategy.

    Raises:
        UserError: unknown name, a network that cannot take these images, or one without batch norm
            whose variance is to be unbiased.
    """
    network = _build(name, info)
    return with_unbiased_variance(network) if bn_variance == "unbiased" else network


def _build(name, info):
    if name in _FIXED:
        return _FIXED[name](info, name=name)
    if name in _TRUNKS:
        return classifier(*_TRUNKS[name](info), info, name=name)
    match = _DEPTH_AND_WIDTH.fullmatch(name)
    if match and match[1] in _OF_DEPTH_AND_WIDTH:
        build = _OF_DEPTH_AND_WIDTH[match[1]]
        return build(info, depth=int(match[2]), width=int(match[3]), name=name)
    unknown, allowed = with_closest(name, names()), ", ".join(names())
    raise UserError(f"unknown model {unknown}; choose one of {allowed} (for example wrn_32_10)")
