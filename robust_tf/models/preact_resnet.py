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
    return _preact_resnet(info, name, activated_shortcut=False, last_bn=False)


def preact_resnet_18_v2(info, *, name):
    """The same with the shortcut after the activation and a last batch norm.

    11 172 170 trainable parameters for images of 3 channels and 10 classes.
    """
    return _preact_resnet(info, name, activated_shortcut=True, last_bn=True)


def own_preact_resnet_18(info, *, name, activation="relu"):
    """The layers of `preact_resnet_18_v2` in the ends of this project.

    Args:
        info: DatasetInfo; `image_shape`, `num_classes` and `standardize` are read.
        name: Name of the network.
        activation: Name of an activation of Keras, such as "silu".
    """
    activate = functools.partial(layers.Activation, activation)
    ends = {"start": image_input, "activation": activate}
    return _preact_resnet(info, name, activated_shortcut=True, last_bn=True, **ends)


def _preact_resnet(
    info, name, *, activated_shortcut, last_bn, start=torch_image_input, activation=layers.ReLU
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
            )
    if last_bn:
        x = activation()(torch_batch_norm("bn")(x))
    return classifier(image, layers.GlobalAveragePooling2D()(x), info, name=name)


def preact_unit(
    x, channels, *, stride, name, shortcut, activated_shortcut=True, activation=layers.ReLU
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

    Returns:
        symbolic [B, h / stride, w / stride, channels], not activated.
    """
    activated = activation()(torch_batch_norm(f"{name}.bn1")(x))
    residual = symmetric_convolution(activated, channels, 3, stride, name=f"{name}.conv1")
    residual = activation()(torch_batch_norm(f"{name}.bn2")(residual))
    residual = symmetric_convolution(residual, channels, 3, name=f"{name}.conv2")
    if stride > 1 or x.shape[-1] != channels:
        start = activated if activated_shortcut else x
        x = symmetric_convolution(start, channels, 1, stride, name=shortcut)
    return layers.Add()([x, residual])
