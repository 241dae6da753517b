"""ONNX and LiteRT files: compared with their network, or refused where packages are missing."""

import errno
import importlib.util

import keras
import numpy as np
import pytest
from tensorflow.python.eager import context

from robust_tf.errors import RunError, UserError
from robust_tf.export import portable
from robust_tf.export.export_portable import export_portable

IMAGES = np.random.default_rng(0).uniform(size=(5, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    image = keras.Input((8, 8, 3), name="image")
    features = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(image))
    return keras.Model(image, {"logits": keras.layers.Dense(3)(features), "embedding": features})


@pytest.mark.parametrize("format", ["onnx", "litert", "litert_int8"])
def test_a_file_answers_as_its_network(network, format, tmp_path):
    for name in portable.NEEDED[format][1]:
        pytest.importorskip(name)
    path = portable.write_portable(tmp_path / "1", network, format, IMAGES)
    allowed = 0.1 if format == "litert_int8" else portable.TOLERANCE
    assert portable.compare_outputs(path, network, IMAGES) <= allowed


def test_a_file_is_compared_with_its_network_on_the_processor(monkeypatch):
    """In TF32 of a GPU the network itself is farther away than the tolerance."""
    seen = []

    def network(images, training):
        seen.append(context.context().device_name)
        return {"logits": images + 0.25}

    monkeypatch.setattr(portable, "portable_function", lambda path: lambda x: {"logits": x})
    assert portable.compare_outputs("model.onnx", network, np.ones([2, 3])) == 0.25 / 1.25
    assert seen[0].endswith("CPU:0")  # None where TensorFlow may choose


@pytest.mark.parametrize(
    "scale, added, found", [(1e3, 0.05, 5e-5), (1e-3, 5e-5, 5e-5), (1, np.nan, np.nan)]
)
def test_the_difference_is_of_the_largest_value_and_shows_what_is_not_finite(
    scale, added, found, monkeypatch
):
    images = np.full([2, 3], scale)
    outputs = {"logits": images, "embedding": images + added}
    monkeypatch.setattr(portable, "portable_function", lambda path: lambda x: outputs)

    def network(images, training):
        return dict.fromkeys(outputs, images)

    difference = portable.compare_outputs("model.onnx", network, images)
    np.testing.assert_allclose(difference, found, rtol=1e-3)


@pytest.mark.parametrize("format", portable.NEEDED)
def test_a_missing_package_is_named(format, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    extra, modules = portable.NEEDED[format]
    with pytest.raises(UserError, match=f"needs {', '.join(modules)}; pip install .*{extra}"):
        portable.require_packages(format)


@pytest.mark.parametrize(
    "failure, kind, said",
    [
        (
            ValueError("no such operation\nand a page more"),
            RunError,
            "cannot be converted: no such operation$",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), OSError, "No space left on device"),
    ],
    ids=["operation", "disk"],
)
def test_what_cannot_be_converted_is_one_line(tmp_path, failure, kind, said):
    def export(*_, **__):
        raise failure

    class Network:
        def __call__(self, images):
            return images

    network = Network()
    network.export = export
    with pytest.raises(kind, match=said):
        portable.write_portable(tmp_path / "1", network, "onnx", IMAGES)


def test_a_folder_that_a_server_reads_gets_no_version_without_a_saved_model(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    with pytest.raises(UserError, match=f"^--export_dir={tmp_path} has SavedModels, .*=onnx$"):
        export_portable(None, None, tmp_path, "onnx", None)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
