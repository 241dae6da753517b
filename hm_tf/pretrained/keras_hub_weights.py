"""The ImageNet weights of keras-hub's ResNets under the names of ours.

keras-hub is the optional extra `imagenet`. Its ResNets are torchvision's, converted from timm; only
the layers bear other names.
"""

import re

from robust_tf.errors import UserError, reason_of

PRESETS = {"resnet18": "resnet_18_imagenet", "resnet50": "resnet_50_imagenet"}
_ELSE = "or give --init_weights=FILE, the .pth or .safetensors file of a ResNet"


def backbone_arrays(name):
    """Returns the weights of "resnet18" or "resnet50": dict "layer/variable" to array.

    Raises:
        UserError: keras-hub is not installed, or the weights cannot be fetched.
    """
    try:
        import keras_hub
    except Exception as error:  # its own dependencies fail in many ways
        raise UserError(
            "--init_weights=imagenet needs keras-hub: pip install "
            f"'robust-metric-learning-tf[imagenet]', {_ELSE} ({reason_of(error)})"
        ) from error
    try:
        backbone = keras_hub.models.ResNetBackbone.from_preset(PRESETS[name])
    except Exception as error:  # no network, no disk, no such preset any more
        raise UserError(
            f"--init_weights=imagenet: {PRESETS[name]} of keras-hub cannot be fetched "
            f"({reason_of(error)}); try again with a network, {_ELSE}"
        ) from error
    return renamed_arrays(backbone)


def renamed_arrays(backbone):
    """Returns the weights of a keras-hub ResNetBackbone as a dict "layer/variable" to array."""
    return {
        f"{our_layer(layer.name)}/{variable.name}": variable.numpy()
        for layer in backbone.layers
        for variable in layer.weights
    }


def our_layer(name):
    """Returns our name of a layer of keras-hub: stack0_block1_2_conv is layer1.1.conv2.

    Number 0 in a block is the shortcut.
    """
    if stem := re.fullmatch(r"conv1_(conv|bn)", name):
        return f"{stem[1]}1"
    match = re.fullmatch(r"stack(\d)_block(\d+)_(\d)_(conv|bn)", name)
    if match is None:
        raise UserError(f"--init_weights=imagenet: keras-hub has an unknown layer {name}")
    stack, block, number, kind = match.groups()
    if number == "0":
        unit = f"downsample.{'conv bn'.split().index(kind)}"
    else:
        unit = f"{kind}{number}"
    return f"layer{int(stack) + 1}.{block}.{unit}"
