"""ResNet-18 and ResNet-50 (He et al. 2016) as classifiers, with PyTorch's weights in mind."""

import functools

from keras import layers

from robust_tf.models.classifier import classifier, image_input, torch_image_input
from robust_tf.models.embedding_network import image_input as imagenet_input
from robust_tf.models.resnet import (
    SIZES,
    WIDTHS,
    basic_block,
    cifar_stem,
    imagenet_stem,
    residual_stages,
)


def cifar_resnet(info, *, depth, name):
    """The ResNet of small images: a 3x3 convolution first, no pooling (RobustBench).

    Args:
        info: DatasetInfo; `image_shape` and `num_classes` are read.
        depth: 18 or 50.
        name: Name of the network.
    """
    image, x = torch_image_input(info)
    features = residual_stages(cifar_stem(x, WIDTHS[0], "live"), *SIZES[depth], "live")
    return classifier(image, features, info, name=name)


def resnet_18(info, *, name, activation="relu"):
    """ResNet-18 of small images in the ends of this project, d = 512.

    11 173 962 trainable parameters for images of 3 channels and 10 classes.

    Args:
        info: DatasetInfo; `image_shape`, `num_classes` and `standardize` are read.
        name: Name of the network.
        activation: Name of an activation of Keras, such as "silu".
    """
    activate = functools.partial(layers.Activation, activation)
    block = functools.partial(basic_block, activation=activate)
    image, x = image_input(info)
    stem = cifar_stem(x, WIDTHS[0], "live", activate)
    features = residual_stages(stem, SIZES[18][0], block, "live")
    return classifier(image, features, info, name=name)


def imagenet_resnet(info, *, depth, name, widths=WIDTHS):
    """The ResNet of torchvision: ImageNet's normalisation, a 7x7 convolution and a pooling first.

    Its layers are named as in the embedding networks, which can start from its weights.

    Args:
        info: DatasetInfo; `image_shape` and `num_classes` are read.
        depth: 10, 18 or 50.
        name: Name of the network.
        widths: Width of each stage.
    """
    image, x = imagenet_input(info)
    stem = imagenet_stem(x, widths[0], "live")
    features = residual_stages(stem, *SIZES[depth], "live", widths)
    return classifier(image, features, info, name=name)
