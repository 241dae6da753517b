"""The residual networks of TLA for Tiny ImageNet; their names do not count their layers."""

from typing import NamedTuple

from keras import layers

from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier, image_input
from robust_tf.models.convolution import convolution

STEM = 64


class Stage(NamedTuple):
    """`units` residual units; the inner `width` is also the outer one of basic units."""

    units: int
    width: int


def tiny_res20(info, *, name):
    """One basic unit a stage, d = 512 ("Res20" of the authors' code).

    5 010 824 trainable parameters for 64x64x3 images of 200 classes.
    """
    stages = [Stage(1, 64), Stage(1, 128), Stage(1, 256), Stage(1, 512)]
    return _tiny_resnet(info, stages, basic_unit, name)


def tiny_res50(info, *, name):
    """Bottleneck units, d = 2048 ("Res50" of the authors' code, which their settings name).

    17 980 040 trainable parameters for 64x64x3 images of 200 classes.
    """
    stages = [Stage(2, 64), Stage(3, 128), Stage(5, 256), Stage(2, 512)]
    return _tiny_resnet(info, stages, bottleneck_unit, name)


def basic_unit(x, *, width, stride, project, name):
    """Batch norm, ReLU and 3x3 convolution, twice: [B, h, w, c] to [B, h/stride, w/stride, width].

    Args:
        x: symbolic, not activated; the shortcut starts here.
        project: whether the shortcut is a 1x1 convolution; otherwise it is the identity.
        name: Prefix of the layers' names.
    """
    residual = _activated_convolution(x, width, 3, stride, name=name, number=1)
    residual = _activated_convolution(residual, width, 3, name=name, number=2)
    return layers.Add()([residual, _shortcut(x, width, stride, project, name)])


def bottleneck_unit(x, *, width, stride, project, name):
    """As `basic_unit` with 1x1, 3x3 and 1x1 convolutions, the last to 4 * width channels."""
    residual = _activated_convolution(x, width, 1, stride, name=name, number=1)
    residual = _activated_convolution(residual, width, 3, name=name, number=2)
    residual = _activated_convolution(residual, 4 * width, 1, name=name, number=3)
    return layers.Add()([residual, _shortcut(x, 4 * width, stride, project, name)])


def _tiny_resnet(info, stages, residual_unit, name):
    image, x = image_input(info)
    # Neither stride nor pooling: the images are small.
    x = _activation(convolution(x, STEM, 7, name="stem"), "stem_bn")
    for number, stage in enumerate(stages):
        for unit in range(stage.units):
            first = unit == 0
            stride = 2 if first and number else 1
            settings = {"width": stage.width, "stride": stride, "project": first}
            x = residual_unit(x, **settings, name=f"stage{number + 1}.unit{unit}")
    embedding = layers.GlobalAveragePooling2D()(_activation(x, "last_bn"))
    return classifier(image, embedding, info, name=name)


def _activated_convolution(x, channels, size, stride=1, *, name, number):
    activated = _activation(x, f"{name}.bn{number}")
    return convolution(activated, channels, size, stride, name=f"{name}.conv{number}")


def _shortcut(x, channels, stride, project, name):
    return convolution(x, channels, 1, stride, name=f"{name}.projection") if project else x


def _activation(x, name):
    return layers.ReLU()(batch_norm(name)(x))
