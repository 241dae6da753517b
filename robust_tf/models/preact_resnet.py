"""PreActResNet-18 (He et al. 2016), as RobustBench's CIFAR-10 models have it, and to train."""

import functools

from keras import layers

from robust_tf.models.classifier import image_input as own_input
from robust_tf.models.resnet import WIDTHS, batch_norm
from robust_tf.models.symmetric_convolution import symmetric_convolution
from robust_tf.models.torch_classifier import image_input, torch_classifier


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
    ends = {"start": own_input, "activation": activate}
    return _preact_resnet(info, name, activated_shortcut=True, last_bn=True, **ends)


def _preact_resnet(
    info, name, *, activated_shortcut, last_bn, start=image_input, activation=layers.ReLU
):
    image, x = start(info)
    x = symmetric_convolution(x, WIDTHS[0], 3, name="conv1")
    for stage, width in enumerate(WIDTHS):
        for unit in range(2):
            stride = 2 if stage and not unit else 1
            unit_name = f"layer{stage + 1}.{unit}"
            x = _unit(x, width, stride, activated_shortcut, activation, unit_name)
    if last_bn:
        x = activation()(batch_norm("live", "bn")(x))
    return torch_classifier(image, layers.GlobalAveragePooling2D()(x), info, name=name)


def _unit(x, width, stride, activated_shortcut, activation, name):
    activated = activation()(batch_norm("live", f"{name}.bn1")(x))
    residual = symmetric_convolution(activated, width, 3, stride, name=f"{name}.conv1")
    residual = activation()(batch_norm("live", f"{name}.bn2")(residual))
    residual = symmetric_convolution(residual, width, 3, name=f"{name}.conv2")
    if stride > 1 or x.shape[-1] != width:
        start = activated if activated_shortcut else x
        x = symmetric_convolution(start, width, 1, stride, name=f"{name}.shortcut.0")
    return layers.Add()([x, residual])
