"""PreActResNet-18 (He et al. 2016), as RobustBench's CIFAR-10 models have it, and to train."""

import functools

from keras import layers

from robust_tf.models.batch_norm import torch_batch_norm
from robust_tf.models.classifier import classifier, image_input, torch_image_input
from robust_tf.models.convolution import symmetric_convolution
from robust_tf.models.resnet import WIDTHS


def preact_resnet_18(info, *, name):
    """Two units a stage, d = 512; the shortcut starts before the activation.

    11 171 146 trainable parameters for images of 3 channels and 10 classes.
    """
    trunk = _trunk(info, torch_image_input, activated_shortcut=False, last_bn=False)
    return classifier(*trunk, info, name=name)


def preact_resnet_18_v2(info, *, name):
    """`preact_resnet_18` with the shortcut after the activation, and with a last batch norm.

    11 172 170 trainable parameters for images of 3 channels and 10 classes.
    """
    return classifier(*_trunk(info, torch_image_input), info, name=name)


def preact_resnet_18_trunk(info, *, bn="live", activation="relu"):
    """The layers of `preact_resnet_18_v2` with the input of this project.

    Arguments and result are as for `resnet.resnet_18_trunk`.
    """
    activate = functools.partial(layers.Activation, activation)
    normalize = functools.partial(torch_batch_norm, frozen=bn == "frozen")
    return _trunk(info, image_input, activation=activate, normalize=normalize)


def _trunk(
    info,
    start,
    *,
    activated_shortcut=True,
    last_bn=True,
    activation=layers.ReLU,
    normalize=torch_batch_norm,
):
    image, x = start(info)
    x = symmetric_convolution(x, WIDTHS[0], 3, name="conv1")
    for stage, width in enumerate(WIDTHS):
        for unit in range(2):
            unit_name = f"layer{stage + 1}.{unit}"
            x = preact_unit(
                x,
                width,
                stride=2 if stage and not unit else 1,
                name=unit_name,
                shortcut=f"{unit_name}.shortcut.0",
                activated_shortcut=activated_shortcut,
                activation=activation,
                normalize=normalize,
            )
    if last_bn:
        x = activation()(normalize("bn")(x))
    return image, layers.GlobalAveragePooling2D()(x)


def preact_unit(
    x,
    channels,
    *,
    stride,
    name,
    shortcut,
    activated_shortcut=True,
    activation=layers.ReLU,
    normalize=torch_batch_norm,
):
    """Batch norm, activation and 3x3 convolution, twice, plus a shortcut.

    Where the shape changes, the shortcut is a 1x1 convolution.

    Args:
        x: symbolic [B, h, w, c].
        channels: Output channels.
        stride: Step of the first convolution.
        name: Prefix of the layers' names.
        shortcut: Name of the convolution of the shortcut.
        activated_shortcut: whether this convolution reads the activated input.
        activation: function () -> layer.
        normalize: function from the name of a batch norm to its layer.

    Returns:
        symbolic [B, h / stride, w / stride, channels], not activated.
    """
    activated = activation()(normalize(f"{name}.bn1")(x))
    residual = symmetric_convolution(activated, channels, 3, stride, name=f"{name}.conv1")
    residual = activation()(normalize(f"{name}.bn2")(residual))
    residual = symmetric_convolution(residual, channels, 3, name=f"{name}.conv2")
    if stride > 1 or x.shape[-1] != channels:
        start = activated if activated_shortcut else x
        x = symmetric_convolution(start, channels, 1, stride, name=shortcut)
    return layers.Add()([x, residual])
