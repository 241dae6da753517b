"""Any embedding network under ranking attacks, in one Python call."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_embedding import small_images, small_network
from test_ranking_evaluation import evaluation

from hm_tf import HardnessManipulation, robust_retrieval
from hm_tf.defenses.build import pgd_from_image
from hm_tf.evaluation import retrieval_standard
from hm_tf.evaluation.retrieval_standard import standard_outcomes
from hm_tf.evaluation.robustness_score import COLUMNS
from robust_tf.errors import UserError

pytestmark = pytest.mark.usefixtures("eager")
IMAGES = small_images()
EPS = 0.05


def measured(model, x=IMAGES.images, y=IMAGES.labels, **settings):
    settings = {"eps": EPS, "steps": 3, "progress": False, **settings}
    return robust_retrieval(model, x, y, **settings)


@pytest.fixture
def short(monkeypatch):
    for name, value in {"STEPS": 2, "RESTARTS": 1, "QUERIES": 3}.items():
        monkeypatch.setattr(retrieval_standard, name, value)


@pytest.mark.parametrize("attacks", ["all", "standard"])
def test_it_equals_the_evaluation_of_the_command(tmp_path, attacks, short):
    network, pgd = small_network(), pgd_from_image(EPS, 3, None, "linf")
    found = measured(network, attacks=attacks, batch_size=24)
    beside = evaluation(tmp_path, network, pgd=pgd, batch_size=24)
    names = [column.attack for column in COLUMNS]
    outcomes = (
        standard_outcomes(beside, names)
        if attacks == "standard"
        else {name: beside.runs(name, "fixed")[0] for name in names}
    )
    assert list(found.attacked) == [column.name for column in COLUMNS]
    for column in COLUMNS:
        expected = outcomes[column.attack][column.measure]
        np.testing.assert_allclose(found.attacked[column.name], expected, atol=1e-4)
    names = "ES:R", "LTM", "GTM"
    assert found.robust_recall == np.min([found.attacked[n] for n in names], axis=0).mean()
    assert found.recall == found.clean["R@1"].mean() >= found.robust_recall
    assert f"{found.score:.1f}" in str(found) and "linf eps=0.05" in str(found)


def test_one_attack_and_few_queries_of_a_plain_network_of_raw_pixels():
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(5)]
    network = keras.Sequential([keras.Input([4, 4, 1]), *layers])
    found = measured(
        network, np.float32(IMAGES.images), attacks="es", queries=6, input_range=(0, 255)
    )
    assert list(found.attacked) == ["ES:D", "ES:R"] and len(found.attacked["ES:D"]) == 6
    assert len(found.queries) == 6 and len(found.clean["R@1"]) == len(IMAGES)
    assert found.score is None and found.robust_recall is None
    assert found.attacked["ES:D"].min() > 1e-3
    again = measured(network, attacks=["ES"], queries=6, input_range=(0, 255), batch_size=4)
    np.testing.assert_allclose(again.attacked["ES:D"], found.attacked["ES:D"], atol=1e-4)


def test_a_defense_and_its_export(tmp_path):
    network = small_network()
    defense = HardnessManipulation(network, source="random", destination="lga", eps=EPS)
    defense.export(tmp_path / "saved", verbose=False)
    expected = measured(network, attacks="TMA").attacked["TMA"]
    np.testing.assert_array_equal(measured(defense, attacks="TMA").attacked["TMA"], expected)
    saved = measured(tmp_path / "saved", attacks="TMA").attacked["TMA"]
    np.testing.assert_allclose(saved, expected, atol=1e-3)  # a graph rounds otherwise


def test_a_saved_model_of_one_output_of_any_name(tmp_path):
    image = keras.Input([4, 4, 1])
    vector = keras.layers.Dense(5)(keras.layers.Flatten()(image))
    unit = keras.layers.UnitNormalization()(vector)
    keras.Model(image, unit).export(tmp_path / "one", verbose=False)
    assert measured(tmp_path / "one", attacks="none").recall > 0
    keras.Model(image, {"unit": unit, "fc": vector}).export(tmp_path / "two", verbose=False)
    with pytest.raises(UserError, match="no output 'embedding'; name one with embedding=: fc, un"):
        measured(tmp_path / "two")


def test_a_saved_model_that_maps_gray_to_zero_is_taken(tmp_path):
    image = keras.Input([4, 4, 1])
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    centred = keras.layers.Flatten()(keras.layers.Subtract()([image, mean]))
    unit = keras.layers.UnitNormalization()(keras.layers.Dense(5)(centred))
    network = keras.Model(image, unit)
    network.export(tmp_path / "saved", verbose=False)
    saved, found = (measured(n, attacks="none") for n in (tmp_path / "saved", network))
    assert saved.recall == found.recall


def test_it_measures_in_float32_and_gives_the_setting_back():
    seen = set()

    class Noting(keras.layers.Layer):
        def call(self, images):
            seen.add(tf.config.experimental.tensor_float_32_execution_enabled())
            return keras.ops.reshape(images, [-1, 16])

    network = keras.Sequential([keras.Input([4, 4, 1]), Noting(), keras.layers.Dense(5)])
    seen.clear()
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(True)
    try:
        measured(network, attacks="none")
        assert tf.config.experimental.tensor_float_32_execution_enabled()
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
    assert seen == {False}


def test_no_attack_has_the_clean_values_alone():
    found = measured(small_network(), attacks="none")
    assert found.attacked == {} and found.score is None and found.robust_recall is None
    assert "R@1" in str(found) and "eps" not in str(found)


def test_a_defense_has_its_own_range():
    with pytest.raises(ValueError, match="leave input_range out"):
        measured(HardnessManipulation(small_network(), eps=EPS), input_range=(0, 255))


def test_a_collapsed_network_has_a_doubt_and_no_score():
    network = small_network()
    network.set_weights([np.zeros_like(w) if w.ndim == 2 else w for w in network.get_weights()])
    with pytest.warns(UserWarning, match="collapsed"):
        found = measured(network, attacks="all")
    assert found.score is None and any("collapsed" in line for line in found.warnings)
    assert "collapsed" in found.table


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"attacks": "ESS"}, "unknown attacks: 'ESS' .did you mean 'ES'"),
        ({"attacks": []}, "no name"),
        ({"attacks": None}, "unknown attacks: None"),
        ({"attacks": ["standard", "ES"]}, "standard stands alone"),
        ({"queries": 0}, "queries must be a whole number >= 1, got 0"),
        ({"queries": -1}, "queries must be a whole number >= 1, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"steps": 2.5}, "steps must be a whole number >= 1, got 2.5"),
        ({"eps": 8}, "8"),
        ({"model": lambda images: images}, "keras.Model or the path of a SavedModel"),
        ({"x": np.zeros([24, 5, 5, 1])}, "the images are 5x5x1, the network takes 4x4x1"),
        ({"x": IMAGES.images / 100}, "must be finite and in"),
        ({"input_range": 255}, "input_range is .low, high., .* got 255"),
        ({"input_range": (0, 0)}, "input_range is .low, high., .* got .0, 0."),
        ({"y": np.arange(24)}, "0 have another one of their class"),
        ({"y": np.zeros(24)}, "two classes"),
        ({"y": IMAGES.labels[1:]}, "24 images but 23 labels"),
        ({"y": IMAGES.labels + np.int64(2**31)}, "whole numbers, got .*; int32 holds them"),
        ({"y": np.ones([24, 2])}, "must be one-hot"),
        ({"embedding": "nothing"}, "no layer 'nothing'"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    arguments = {"model": small_network(), **arguments}
    with pytest.raises((ValueError, UserError), match=message) as error:
        measured(**arguments)
    assert "\n" not in str(error.value) and "--" not in str(error.value)
