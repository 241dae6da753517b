"""The residual networks of TLA for Tiny ImageNet; their names do not count their layers."""

from keras import layers

from robust_tf.models.batch_norm import batch_norm
from robust_tf.models.classifier import classifier, image_input
from robust_tf.models.convolution import convolution

STEM = 64


def tiny_res20(info, *, name):
    """One basic unit a stage, d = 512 ("Res20" of the authors' code).

    5 010 824 trainable parameters for 64x64x3 images of 200 classes.
    """
    return _tiny_resnet(info, basic, ((1, 64), (1, 128), (1, 256), (1, 512)), name)


def tiny_res50(info, *, name):
    """Bottleneck units, d = 2048 ("Res50" of the authors' code, which their settings name).

    17 980 040 trainable parameters for 64x64x3 images of 200 classes.
    """
    return _tiny_resnet(info, bottleneck, ((2, 64), (3, 128), (5, 256), (2, 512)), name)


def basic(width):
    """The convolutions (channels, size of the kernel) of a basic unit."""
    return (width, 3), (width, 3)


def bottleneck(width):
    """The convolutions (channels, size of the kernel) of a bottleneck unit."""
    return (width, 1), (width, 3), (4 * width, 1)


def residual_unit(x, convolutions, *, stride, project, name):
    """Batch norm, ReLU and convolution, several times: [B, h, w, c] to [B, h/stride, w/stride, d].

    Args:
        x: symbolic, not activated; the shortcut starts here.
        convolutions: (channels, size of the kernel) of each; the first has the stride.
        project: whether the shortcut is a 1x1 convolution; otherwise it is the identity.
        name: Prefix of the layers' names.
    """
    residual = x
    for number, (channels, size) in enumerate(convolutions, start=1):
        activated = _activation(residual, f"{name}.bn{number}")
        step = stride if number == 1 else 1
        residual = convolution(activated, channels, size, step, name=f"{name}.conv{number}")
    if project:
        x = convolution(x, residual.shape[-1], 1, stride, name=f"{name}.projection")
    return layers.Add()([residual, x])


def _tiny_resnet(info, kind, stages, name):
    """Of each stage the number of units, and their width."""
    image, x = image_input(info)
    # Neither stride nor pooling: the images are small.
    x = _activation(convolution(x, STEM, 7, name="stem"), "stem_bn")
    for number, (units, width) in enumerate(stages, start=1):
        for unit in range(units):
            first = unit == 0
            stride = 2 if first and number > 1 else 1
            unit_name = f"stage{number}.unit{unit}"
            x = residual_unit(x, kind(width), stride=stride, project=first, name=unit_name)
    embedding = layers.GlobalAveragePooling2D()(_activation(x, "last_bn"))
    return classifier(image, embedding, info, name=name)


def _activation(x, name):
    return layers.ReLU()(batch_norm(name)(x))
