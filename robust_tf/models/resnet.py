"""ResNet-18 and ResNet-50 (He et al. 2016) as PyTorch's torchvision lays them out.

Weights trained there fit: the padding is symmetric, the layers bear torchvision's names, and the
stride of a bottleneck is at its 3x3 convolution.
"""

import functools

from keras import layers

from robust_tf.models import embedding_network
from robust_tf.models.batch_norm import torch_batch_norm
from robust_tf.models.classifier import classifier, image_input, torch_image_input
from robust_tf.models.convolution import symmetric_convolution

WIDTHS = (64, 128, 256, 512)
NARROW_WIDTHS = tuple(width // 4 for width in WIDTHS)


def basic_block(x, width, stride, bn, name, activation=layers.ReLU):
    """Two 3x3 convolutions and the shortcut: [B, h, w, c] to [B, h / stride, w / stride, width]."""
    residual = activation()(_normalized(x, width, 3, stride, bn, f"{name}.conv1"))
    residual = _normalized(residual, width, 3, 1, bn, f"{name}.conv2")
    return _joined(x, residual, width, stride, bn, name, activation)


def bottleneck(x, width, stride, bn, name):
    """1x1, 3x3 and 1x1 convolutions, the last to 4 * width channels."""
    residual = layers.ReLU()(_normalized(x, width, 1, 1, bn, f"{name}.conv1"))
    residual = layers.ReLU()(_normalized(residual, width, 3, stride, bn, f"{name}.conv2"))
    residual = _normalized(residual, 4 * width, 1, 1, bn, f"{name}.conv3")
    return _joined(x, residual, 4 * width, stride, bn, name)


# Depth -> blocks of each stage, and their kind.
SIZES = {
    10: ((1, 1, 1, 1), basic_block),
    18: ((2, 2, 2, 2), basic_block),
    50: ((3, 4, 6, 3), bottleneck),
}


def imagenet_trunk(info, *, depth, bn="live", widths=WIDTHS):
    """ImageNet's normalisation, a 7x7 convolution, a pooling and the stages.

    Args:
        info: DatasetInfo; `image_shape` is read.
        depth: 10, 18 or 50.
        bn: "frozen" or "live" statistics of batch norm.
        widths: Width of each stage.

    Returns:
        (image, features): the input of the graph and symbolic [B, d].
    """
    image, x = embedding_network.image_input(info)
    return image, residual_stages(imagenet_stem(x, widths[0], bn), *SIZES[depth], bn, widths)


def resnet_18_trunk(info, *, bn="live", activation="relu"):
    """ResNet-18 of small images: a 3x3 convolution first, no pooling, d = 512.

    Args:
        info: DatasetInfo; `image_shape` and `standardize` are read.
        bn: "frozen" or "live" statistics of batch norm.
        activation: Name of an activation of Keras, such as "silu".

    Returns:
        (image, features): the input of the graph and symbolic [B, 512].
    """
    activate = functools.partial(layers.Activation, activation)
    block = functools.partial(basic_block, activation=activate)
    image, x = image_input(info)
    stem = cifar_stem(x, WIDTHS[0], bn, activate)
    return image, residual_stages(stem, SIZES[18][0], block, bn)


def cifar_resnet(info, *, depth, name):
    """The ResNet of small images with the input of RobustBench.

    Args:
        info: DatasetInfo; `image_shape` and `num_classes` are read.
        depth: 18 or 50.
        name: Name of the network.
    """
    image, x = torch_image_input(info)
    features = residual_stages(cifar_stem(x, WIDTHS[0], "live"), *SIZES[depth], "live")
    return classifier(image, features, info, name=name)


def imagenet_stem(x, width, bn):
    """A 7x7 convolution and a pooling, both of stride 2: [B, h, w, 3] to [B, h/4, w/4, width]."""
    x = layers.ReLU()(_normalized(x, width, 7, 2, bn, "conv1"))
    # After a ReLU zeros are as good as the -inf that pads a maximum.
    return layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))


def cifar_stem(x, width, bn, activation=layers.ReLU):
    """A 3x3 convolution of stride 1, for small images: [B, h, w, 3] to [B, h, w, width]."""
    return activation()(_normalized(x, width, 3, 1, bn, "conv1"))


def residual_stages(x, blocks, block, bn, widths=WIDTHS):
    """Four stages and the mean over the image: [B, h, w, c] to [B, features].

    Args:
        x: Symbolic, what a stem returns.
        blocks: Number of blocks of each stage.
        block: `basic_block` or `bottleneck`.
        bn: "frozen" or "live" statistics of batch norm.
        widths: Width of each stage.
    """
    for stage, (width, count) in enumerate(zip(widths, blocks)):
        for number in range(count):
            stride = 2 if stage and not number else 1
            x = block(x, width, stride, bn, f"layer{stage + 1}.{number}")
    return layers.GlobalAveragePooling2D()(x)


def _joined(x, residual, channels, stride, bn, name, activation=layers.ReLU):
    if stride > 1 or x.shape[-1] != channels:
        x = _normalized(x, channels, 1, stride, bn, f"{name}.downsample.0")
    return activation()(layers.Add()([residual, x]))


def _normalized(x, channels, size, stride, bn, name):
    """A convolution with symmetric padding and its batch norm, named as torchvision's."""
    x = symmetric_convolution(x, channels, size, stride, name=name)
    norm = name.replace("downsample.0", "downsample.1").replace("conv", "bn")
    return torch_batch_norm(norm, frozen=bn == "frozen")(x)
