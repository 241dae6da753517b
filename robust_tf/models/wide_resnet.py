"""Wide residual networks in the form of Madry et al. (2018), as used by TLA for CIFAR-10."""

import keras
from keras import layers, ops

from robust_tf.errors import UserError
from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier, image_input
from robust_tf.models.convolution import convolution

STEM = 16
STAGES = 3


def wide_resnet(info, *, depth, width, name, stem_stride=1):
    """Three stages of pre-activation units of 16, 32 and 64 times `width` channels, d = 64 * width.

    wrn_32_10 has 45 901 914 trainable parameters for 32x32x3 images of 10 classes.

    Args:
        info: DatasetInfo; the sides of its images are multiples of 4 * stem_stride (two stages of
            stride 2).
        depth: 6 * units + 2, where `units` is the number of residual units of a stage (32: 5). It
            counts the stem, two convolutions a unit and the last dense layer. 6 * units + 4, the
            count of Zagoruyko and Komodakis (2016) for the same units, is accepted too (10: 1).
        width: int >= 1.
        stem_stride: Stride of the first convolution. Not in the papers: 2 makes a pass about four
            times cheaper, for processors without a GPU.

    Raises:
        UserError: depth, width or image size is none of these.
    """
    _check(info, depth, width, stem_stride, name)
    image, x = image_input(info)
    x = convolution(x, STEM, 3, stem_stride, name="stem")
    for stage in range(STAGES):
        for unit in range((depth - 2) // 6):
            x = residual_unit(
                x,
                channels=STEM * width * 2**stage,
                stride=2 if stage and not unit else 1,
                activated_shortcut=stage == unit == 0,
                name=f"stage{stage + 1}.unit{unit}",
            )
    embedding = layers.GlobalAveragePooling2D()(_activation(x, "last_bn"))
    return classifier(image, embedding, info, name=name)


def residual_unit(x, *, channels, stride, activated_shortcut, name):
    """Batch norm, leaky ReLU and 3x3 convolution, twice, plus a shortcut without weights.

    Args:
        x: symbolic [B, h, w, c].
        activated_shortcut: whether the shortcut starts after the first activation, not at the raw
            input. In the authors' code the very first unit of the network does.
        name: Prefix of the layers' names.

    Returns:
        symbolic [B, h / stride, w / stride, channels], not activated.
    """
    activated = _activation(x, f"{name}.bn1")
    residual = convolution(activated, channels, 3, stride, name=f"{name}.conv1")
    residual = _activation(residual, f"{name}.bn2")
    residual = convolution(residual, channels, 3, name=f"{name}.conv2")
    shortcut = activated if activated_shortcut else x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride)(shortcut)
    if channels != x.shape[-1]:
        shortcut = ChannelPadding((channels - x.shape[-1]) // 2)(shortcut)
    return layers.Add()([residual, shortcut])


@keras.saving.register_keras_serializable("robust_tf")
class ChannelPadding(keras.layers.Layer):
    """`channels` zero channels on either side: [B, h, w, c] to [B, h, w, c + 2 * channels]."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def call(self, inputs):
        return ops.pad(inputs, [[0, 0], [0, 0], [0, 0], [self.channels, self.channels]])

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


def _activation(x, name):
    return layers.LeakyReLU(negative_slope=0.1)(batch_norm(name)(x))


def _check(info, depth, width, stem_stride, name):
    if depth < 8 or depth % 6 not in (2, 4):
        raise UserError(f"{name}: the depth is 6n + 2 or 6n + 4, e.g. wrn_10_1, wrn_32_10")
    if width < 1:
        raise UserError(f"{name}: the width is at least 1, e.g. wrn_32_10")
    height, columns = info.image_shape[:2]
    divisor = 4 * stem_stride
    if height % divisor or columns % divisor:
        raise UserError(
            f"{name} shrinks the image and needs sides that are multiples of {divisor}, "
            f"{info.name} has {height}x{columns}; choose another --model"
        )
