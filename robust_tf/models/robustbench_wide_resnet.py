"""Wide residual networks of Zagoruyko and Komodakis (2016), as in TRADES and RobustBench.

`wide_resnet` is the form of Madry et al.: leaky ReLU, and shortcuts without weights.
"""

from keras import layers

from robust_tf.errors import UserError
from robust_tf.models.batch_norm import torch_batch_norm
from robust_tf.models.classifier import classifier, torch_image_input
from robust_tf.models.convolution import symmetric_convolution
from robust_tf.models.preact_resnet import preact_unit

STEM = 16
STAGES = 3


def robustbench_wide_resnet(info, *, depth, width, name):
    """Three stages of pre-activation units of 16, 32 and 64 times `width` channels, d = 64 * width.

    robustbench_wrn_28_10 has 36 479 194 trainable parameters for 32x32x3 images of 10 classes.

    Args:
        info: DatasetInfo; `image_shape` and `num_classes` are read.
        depth: 6 * units + 4, where `units` is the number of residual units of a stage.
        width: At least 1.
        name: Name of the network.

    Raises:
        UserError: There is no network of this depth or width.
    """
    if depth < 10 or depth % 6 != 4 or width < 1:
        raise UserError(f"{name}: the depth is 6n + 4, the width at least 1, e.g. 28 and 10")
    image, x = torch_image_input(info)
    x = symmetric_convolution(x, STEM, 3, name="conv1")
    for stage in range(STAGES):
        for unit in range((depth - 4) // 6):
            unit_name = f"block{stage + 1}.layer.{unit}"
            x = preact_unit(
                x,
                STEM * width * 2**stage,
                stride=2 if stage and not unit else 1,
                name=unit_name,
                shortcut=f"{unit_name}.convShortcut",
            )
    x = layers.ReLU()(torch_batch_norm("bn1")(x))
    return classifier(image, layers.GlobalAveragePooling2D()(x), info, name=name)
