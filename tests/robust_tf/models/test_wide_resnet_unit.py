"""Residual units against a reference in plain numpy."""

import keras
import numpy as np
import pytest

from robust_tf.models.wide_resnet import residual_unit


def convolve(x, kernel, stride):
    """3x3, SAME padding as TensorFlow pads: an even side with stride 2 at its end only."""
    batch, height, width, _ = x.shape
    before = 1 if stride == 1 else 0
    padded = np.pad(x, [(0, 0), (before, 1), (before, 1), (0, 0)])
    out = np.zeros((batch, height // stride, width // stride, kernel.shape[-1]))
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            window = padded[:, row * stride :, column * stride :][:, :3, :3]
            out[:, row, column] = np.tensordot(window, kernel, 3)
    return out


def activate(x, norm):
    scale, offset, mean, variance = norm
    y = (x - mean) / np.sqrt(variance + 1e-3) * scale + offset
    return np.where(y > 0, y, 0.1 * y)


def reference(x, weights, channels, stride, activated_shortcut):
    first, kernel, second, other_kernel = weights
    a = activate(x, first)
    r = convolve(activate(convolve(a, kernel, stride), second), other_kernel, 1)
    q = a if activated_shortcut else x
    batch, height, width, depth = q.shape
    q = q.reshape(batch, height // stride, stride, width // stride, stride, depth).mean((2, 4))
    pad = (channels - depth) // 2
    return r + np.pad(q, [(0, 0), (0, 0), (0, 0), (pad, pad)])


@pytest.mark.parametrize(
    "depth, channels, stride, activated_shortcut",
    [(4, 10, 1, True), (4, 10, 1, False), (6, 12, 2, False), (6, 6, 1, False)],
)
def test_residual_unit_equals_the_reference(depth, channels, stride, activated_shortcut):
    image = keras.Input((4, 4, depth))
    out = residual_unit(
        image,
        channels=channels,
        stride=stride,
        activated_shortcut=activated_shortcut,
        name="unit",
    )
    model = keras.Model(image, out)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.2, 1, weight.shape) for weight in model.get_weights()])
    first, kernel, second, other = [layer.get_weights() for layer in model.layers if layer.weights]
    x = rng.normal(size=(2, 4, 4, depth)).astype(np.float32)

    expected = reference(
        x, (first, kernel[0], second, other[0]), channels, stride, activated_shortcut
    )
    np.testing.assert_allclose(model(x, training=False), expected, rtol=1e-4, atol=1e-4)


def test_only_the_very_first_shortcut_of_a_network_is_activated():
    from types import SimpleNamespace

    from robust_tf.models import registry

    info = SimpleNamespace(name="toy", image_shape=(8, 8, 1), num_classes=10, standardize=False)
    model = registry.get("wrn_14_2", info)  # two units a stage
    sources = []
    for add in (layer for layer in model.layers if isinstance(layer, keras.layers.Add)):
        shortcut = add.input[1]._keras_history.operation
        while isinstance(shortcut, keras.layers.AveragePooling2D) or hasattr(shortcut, "channels"):
            shortcut = shortcut.input._keras_history.operation
        sources.append(type(shortcut).__name__)

    assert sources == ["LeakyReLU", "Add", "Add", "Add", "Add", "Add"]
