"""Written, reloaded here and in a process without the project, and refused when it differs."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.errors import RunError, UserError
from robust_tf.export import verification
from robust_tf.export.endpoints import classifier_answer, float_endpoint, uint8_endpoint
from robust_tf.export.saved_model import next_version, write_saved_model
from robust_tf.models import registry

SHAPE = (8, 8, 3)
INFO = SimpleNamespace(name="toy", image_shape=SHAPE, num_classes=10, standardize=True)
NAMES = tuple(f"kind {k}" for k in range(10))
PIXELS = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
IMAGES = PIXELS.astype(np.float32) / np.float32(255)
OUTPUTS = {"logits", "probabilities", "class", "class_name", "embedding"}


def write(network, export_dir):
    answer = classifier_answer(network, NAMES)
    endpoints = [make(name, answer, SHAPE, "") for name, make in MAKERS.items()]
    with next_version(export_dir) as (folder, path):
        write_saved_model(folder, endpoints)
    return path


MAKERS = {"serving_default": float_endpoint, "uint8": uint8_endpoint}


@pytest.fixture(scope="module")
def network():
    # Own layers (standardisation, channel padding) are what a reload without the project must bear.
    network = registry.get("wrn_8_2", INFO)
    network(IMAGES, training=True)
    return network


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    return write(network, tmp_path_factory.mktemp("export"))


def test_the_signatures_and_what_they_answer(saved, network):
    signatures = tf.saved_model.load(str(saved)).signatures
    assert saved.name == "1" and signatures.keys() == {"serve", "serving_default", "uint8"}
    for name, given in (("serving_default", IMAGES), ("uint8", PIXELS)):
        (spec,) = signatures[name].structured_input_signature[1].values()
        assert (spec.name, spec.shape.as_list()) == ("image", [None, *SHAPE])
        assert spec.dtype == given.dtype
        out = signatures[name](image=tf.constant(given))
        expected = network(IMAGES, training=False)
        assert out.keys() == OUTPUTS
        for output in ("logits", "embedding"):
            np.testing.assert_allclose(out[output], expected[output], atol=1e-5)
        scores = np.exp(expected["logits"]) / np.exp(expected["logits"]).sum(1, keepdims=True)
        np.testing.assert_allclose(out["probabilities"], scores, atol=1e-6)
        winners = np.argmax(expected["logits"], 1)
        np.testing.assert_array_equal(out["class"], winners)
        assert [name.decode() for name in out["class_name"].numpy()] == [NAMES[k] for k in winners]
    one = signatures["serving_default"](image=tf.constant(IMAGES[:1]))
    assert one["logits"].shape == (1, 10)


def test_every_weight_is_written_once(saved, network):
    (file,) = saved.glob("variables/variables.data-*")
    weights = sum(weight.numpy().nbytes for weight in network.weights)
    assert weights <= file.stat().st_size < 1.5 * weights


def test_versions_count_up_and_nothing_half_written_stays(network, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / ".8.partial").mkdir()  # of an export that was killed
    (tmp_path / ".8.partial" / "rest").touch()
    with next_version(tmp_path) as (folder, path):
        folder.mkdir()
    assert path == tmp_path / "8" and not (path / "rest").exists()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["7", "8"]


def test_two_exports_do_not_write_into_one_folder(tmp_path):
    with next_version(tmp_path / "served") as (folder, path):
        folder.mkdir()
        with pytest.raises(UserError, match="in use by process"), next_version(path.parent):
            pass
    assert [found.name for found in (tmp_path / "served").iterdir()] == ["1"]


def test_a_failed_export_leaves_no_folder(tmp_path):
    for export_dir in (tmp_path, tmp_path / "new" / "folder"):
        with pytest.raises(OSError, match="No space left"):
            with next_version(export_dir) as (folder, _):
                folder.mkdir()
                raise OSError(28, "No space left on device")
        assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_a_mistake_of_the_user(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "export"):
        with pytest.raises(UserError, match="file is no folder to write to"):
            with next_version(folder):
                pass


@pytest.fixture(scope="module")
def reloaded(saved):
    """What a process without the project found, computed once."""
    return verification._elsewhere(saved, IMAGES, "logits")


def verify(network, names, reloaded, monkeypatch):
    monkeypatch.setattr(verification, "_elsewhere", lambda *_: dict(reloaded))
    answer = classifier_answer(network, names)
    return verification.verify_saved_model("1", answer, IMAGES, "logits")


def test_a_process_without_the_project_gives_the_same(network, reloaded, monkeypatch):
    assert reloaded.keys() == {"gradient", *(f"out_{name}" for name in OUTPUTS)}
    assert verify(network, NAMES, reloaded, monkeypatch) <= 1e-5


def test_another_network_or_other_names_are_noticed(network, reloaded, monkeypatch):
    with pytest.raises(RunError, match="the gradient differs from the network by"):
        verify(registry.get("wrn_8_2", INFO), NAMES, reloaded, monkeypatch)
    with pytest.raises(RunError, match="output class_name differs from the network"):
        verify(network, NAMES[::-1], reloaded, monkeypatch)
    missing = {name: value for name, value in reloaded.items() if name != "out_class"}
    with pytest.raises(RunError, match="has outputs .* the network"):
        verify(network, NAMES, missing, monkeypatch)


def test_one_image_of_few_may_round_to_another_outcome():
    own, found = np.arange(20) < 9, np.arange(20) < 8
    assert verification.compare_outcomes("1", "pgd20", own, found)["differing_outcomes"] == 1
    with pytest.raises(RunError, match="under pgd20, 2 of 20 images have another outcome"):
        verification.compare_outcomes("1", "pgd20", own, np.arange(20) < 7)


def test_what_cannot_be_reloaded_is_one_line(network, monkeypatch):
    """What the other process says last, of a traceback for example, is the reason."""
    monkeypatch.setattr(verification, "_RELOAD", "raise OSError('first line\\nno such model')")
    answer = classifier_answer(network, NAMES)
    with pytest.raises(RunError, match="cannot be reloaded without this project") as failure:
        verification.verify_saved_model("nothing", answer, IMAGES, "logits")
    assert str(failure.value).endswith(": no such model") and "\n" not in str(failure.value)


def test_mixed_precision_gives_float32_outputs(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = registry.get("digits_cnn", INFO)
    finally:
        keras.config.set_dtype_policy(before)
    serve = tf.saved_model.load(str(write(network, tmp_path))).signatures["serving_default"]
    out = serve(image=tf.constant(IMAGES))
    assert {out[name].dtype for name in ("logits", "probabilities", "embedding")} == {tf.float32}
