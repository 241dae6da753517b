"""Embedding networks by name."""

import functools

from robust_tf.errors import UserError, with_closest
from robust_tf.models.c2f2 import c2f2
from robust_tf.models.digits_embedding import digits_embedding
from robust_tf.models.embedding_network import embedding_network
from robust_tf.models.network_input import require_side
from robust_tf.models.resnet import imagenet_trunk
from robust_tf.models.trunks import TRUNKS

BN_MODES = ("frozen", "live")
_PLAIN = {"c2f2": c2f2, "digits_embedding": digits_embedding}
_TRUNKS = {
    **TRUNKS,
    "resnet18": functools.partial(imagenet_trunk, depth=18),
    "resnet50": functools.partial(imagenet_trunk, depth=50),
}


def embedding_names():
    """Returns what `get_embedding` takes."""
    return [*_PLAIN, *_TRUNKS]


def get_embedding(name, info, bn="frozen"):
    """Builds the embedding network `name` for the images of a dataset.

    Args:
        name: str, one of `embedding_names()`.
        info: DatasetInfo; `image_shape` and `standardize` are read.
        bn: batch norm "frozen" (stored averages, trainable scale and offset) or "live"; networks
            without batch norm are the same in both.

    Returns:
        keras.Model called `name`: "image" float [B, h, w, c] in [0, 1] to {"embedding": [B, d]} of
        unit length. Build it inside `strategy.scope()` when there is a strategy.

    Raises:
        UserError: unknown name or bn, images that are too small.
    """
    if name not in (known := embedding_names()):
        unknown = with_closest(name, known)
        raise UserError(f"unknown embedding network {unknown}; choose one of {', '.join(known)}")
    if bn not in BN_MODES:
        raise UserError(f"unknown bn {bn!r}; choose one of {', '.join(BN_MODES)}")
    require_side(info, 4 if name == "c2f2" else 2, name)
    if name in _PLAIN:
        return _PLAIN[name](info, name=name)
    return embedding_network(*_TRUNKS[name](info, bn=bn), name=name)
