"""Units of the Tiny ImageNet networks against a reference in numpy, and how they are joined."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from robust_tf.models import registry
from robust_tf.models.tiny_resnet import basic, bottleneck, residual_unit

INFO = SimpleNamespace(name="toy", image_shape=(16, 16, 3), num_classes=5, standardize=True)


def convolve(x, kernel, stride):
    """SAME padding as TensorFlow pads: with stride 2 an even side at its end only."""
    size = len(kernel)
    before = (size - stride) // 2 if size > stride else 0
    after = max(size - stride, 0) - before
    padded = np.pad(x, [(0, 0), (before, after), (before, after), (0, 0)])
    batch, height, width, _ = x.shape
    out = np.zeros((batch, height // stride, width // stride, kernel.shape[-1]))
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            window = padded[:, row * stride :, column * stride :][:, :size, :size]
            out[:, row, column] = np.tensordot(window, kernel, 3)
    return out


def activate(x, norm):
    scale, offset, mean, variance = norm
    return np.maximum((x - mean) / np.sqrt(variance + 1e-3) * scale + offset, 0)


def reference(x, norms, kernels, shortcut, stride):
    residual = x
    for number, (norm, kernel) in enumerate(zip(norms, kernels)):
        residual = convolve(activate(residual, norm), kernel, 1 if number else stride)
    return residual + (x if shortcut is None else convolve(x, shortcut, stride))


@pytest.mark.parametrize("stride, project", [(1, False), (1, True), (2, True)])
@pytest.mark.parametrize("convolutions, sizes", [(basic(8), [3, 3]), (bottleneck(2), [1, 3, 1])])
def test_unit_equals_the_reference(convolutions, sizes, stride, project):
    depth = 6 if project else 8
    image = keras.Input((4, 4, depth))
    unit = residual_unit(image, convolutions, stride=stride, project=project, name="unit")
    model = keras.Model(image, unit)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(-0.5, 1, weight.shape) ** 2 for weight in model.weights])
    kernels = [k for layer in model.layers for k in layer.get_weights() if k.ndim == 4]
    norms = [layer.get_weights() for layer in model.layers if len(layer.get_weights()) == 4]
    residual, shortcut = split(model, kernels, project)
    x = rng.normal(size=(2, 4, 4, depth)).astype(np.float32)

    expected = reference(x, norms, residual, shortcut, stride)
    assert [len(k) for k in residual] == sizes
    np.testing.assert_allclose(model(x, training=False), expected, rtol=1e-4, atol=1e-4)


def split(model, kernels, project):
    """The kernels of the residual path in order, and that of the shortcut, None without one."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    reads_input = [layer.input is model.input for layer in convolutions]
    assert sum(reads_input) == project
    residual = [k for k, raw in zip(kernels, reads_input) if not raw]
    return residual, next((k for k, raw in zip(kernels, reads_input) if raw), None)


@pytest.mark.parametrize(
    "name, units, convolutions", [("tiny_res20", [1] * 4, 2), ("tiny_res50", [2, 3, 5, 2], 3)]
)
def test_stages(name, units, convolutions):
    model = registry.get(name, INFO)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(layers) == 1 + convolutions * sum(units) + 4  # a projection in each stage
    assert [add.output.shape[1] for add in adds] == [
        side for side, count in zip((16, 8, 4, 2), units) for _ in range(count)
    ]
    stem = layers[0]
    assert (stem.kernel_size, stem.strides, stem.filters) == ((7, 7), (1, 1), 64)
    shortcuts = [add.input[1]._keras_history.operation for add in adds]
    projected = [isinstance(layer, keras.layers.Conv2D) for layer in shortcuts]
    assert projected == [unit == 0 for count in units for unit in range(count)]
