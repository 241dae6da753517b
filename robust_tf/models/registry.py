"""Networks by name."""

import re

from robust_tf.errors import UserError
from robust_tf.models.digits_cnn import digits_cnn
from robust_tf.models.lenet import large_lenet, small_lenet
from robust_tf.models.mlp import mlp
from robust_tf.models.tiny_resnet import tiny_res20, tiny_res50
from robust_tf.models.wide_resnet import wide_resnet

_FIXED = {
    "digits_cnn": digits_cnn,
    "lenet_large": large_lenet,
    "lenet_small": small_lenet,
    "mlp": mlp,
    "tiny_res20": tiny_res20,
    "tiny_res50": tiny_res50,
}
_WIDE_RESNET = re.compile(r"wrn_(\d+)_(\d+)")


def names():
    """Returns what `get` takes, for help and error texts; D and W stand for depth and width."""
    return [*_FIXED, "wrn_D_W"]


def get(name, info):
    """Builds the network `name` for the images and classes of a dataset.

    Args:
        name: str, e.g. "lenet_large", "wrn_32_10".
        info: DatasetInfo; `image_shape`, `num_classes` and `standardize` are read.

    Returns:
        keras.Model called `name`: "image" float [B, h, w, c] in [0, 1] to {"logits": [B, classes],
        "embedding": [B, d]}. Build it inside `strategy.scope()` when there is a strategy.

    Raises:
        UserError: unknown name, or a network that cannot take these images.
    """
    if name in _FIXED:
        return _FIXED[name](info, name=name)
    if match := _WIDE_RESNET.fullmatch(name):
        depth, width = map(int, match.groups())
        return wide_resnet(info, depth=depth, width=width, name=name)
    allowed = ", ".join(names())
    raise UserError(f"unknown model {name!r}; choose one of {allowed} (for example wrn_32_10)")
