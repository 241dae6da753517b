"""Weights that a ResNet starts from: an ImageNet classifier without its last layer."""

import os
import pathlib

from hm_tf.pretrained import keras_hub_weights
from robust_tf.errors import UserError
from robust_tf.models.assign_weights import assign
from robust_tf.models.checkpoint_readers import formats

HEAD = "fc"


def load_initial_weights(network, source):
    """Puts pretrained weights into all layers of `network` but its head.

    Args:
        network: ResNet of `get_embedding`.
        source: "none", which does nothing; "imagenet", by way of keras-hub; or the path of a file
            that tools/convert_resnet_weights.py has written.

    Raises:
        UserError: there are no such weights for this network, or they do not fit.
    """
    if source == "none":
        return
    if network.name not in keras_hub_weights.PRESETS:
        known = " and ".join(keras_hub_weights.PRESETS)
        raise UserError(f"--init_weights={source} is for {known}, not for {network.name}")
    if source == "imagenet":
        arrays = keras_hub_weights.backbone_arrays(network.name)
    else:
        arrays = read_arrays(source)
    try:
        assign(network, arrays, fresh=(HEAD,))
    except ValueError as error:
        raise UserError(f"--init_weights={source}: {error}") from error


def read_arrays(path):
    """Returns the arrays of an .npz file as a dict; UserError where it is none."""
    path = pathlib.Path(os.path.expanduser(path))
    if not path.is_file():
        raise UserError(
            f"--init_weights={path} is no file; give none, imagenet, or a file that "
            "tools/convert_resnet_weights.py has written"
        )
    try:
        return formats.read_npz(path)
    except UserError as error:
        raise UserError(
            f"--init_weights={error}; tools/convert_resnet_weights.py makes an .npz file of a "
            "safetensors file"
        ) from error
