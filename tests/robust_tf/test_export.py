from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.errors import RunError, UserError
from robust_tf.export import export_saved_model, verify_saved_model
from robust_tf.models import registry

INFO = SimpleNamespace(name="toy", image_shape=(8, 8, 3), num_classes=10, standardize=True)
IMAGES = np.random.default_rng(0).uniform(size=(5, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    # Own layers (standardisation, channel padding) are what a reload without the project must bear.
    network = registry.get("wrn_8_2", INFO)
    network(IMAGES, training=True)
    return network


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    return export_saved_model(network, tmp_path_factory.mktemp("export"), INFO.image_shape)


def test_signature(saved, network):
    serve = tf.saved_model.load(str(saved)).signatures["serving_default"]

    assert saved.name == "1"
    specs = serve.structured_input_signature[1]
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in specs.items()} == {
        "image": ([None, 8, 8, 3], tf.float32)
    }
    out, expected = serve(image=tf.constant(IMAGES)), network(IMAGES, training=False)
    assert set(out) == {"logits", "embedding"}
    for name, value in out.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert serve(image=tf.constant(IMAGES[:1]))["logits"].shape == (1, 10)


def test_versions_count_up_and_nothing_half_written_stays(network, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / ".8.partial").mkdir()  # of an export that was killed
    (tmp_path / ".8.partial" / "rest").touch()
    path = export_saved_model(network, tmp_path, INFO.image_shape)

    assert path == tmp_path / "8" and not (path / "rest").exists()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["7", "8"]


def test_a_file_in_the_way_is_a_mistake_of_the_user(network, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "export"):
        with pytest.raises(UserError, match="file is no folder to write to"):
            export_saved_model(network, folder, INFO.image_shape)


def test_a_process_without_the_project_gives_the_same_outputs(saved, network):
    assert verify_saved_model(saved, network, IMAGES) <= 1e-5


def test_another_network_is_noticed(saved):
    with pytest.raises(RunError, match="differs from the network by"):
        verify_saved_model(saved, registry.get("wrn_8_2", INFO), IMAGES)


def test_what_cannot_be_reloaded_is_one_line(tmp_path, network):
    with pytest.raises(RunError, match="cannot be reloaded without this project") as failure:
        verify_saved_model(tmp_path / "nothing", network, IMAGES)
    assert "\n" not in str(failure.value)


def test_mixed_precision_gives_float32_outputs(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = registry.get("wrn_8_2", INFO)
    finally:
        keras.config.set_dtype_policy(before)
    path = export_saved_model(network, tmp_path, INFO.image_shape)
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]

    assert {value.dtype for value in serve(image=tf.constant(IMAGES)).values()} == {tf.float32}
    assert verify_saved_model(path, network, IMAGES) <= 1e-5
