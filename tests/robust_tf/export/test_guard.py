"""Garbage ends in one line at the endpoint of a SavedModel; what is right passes unchanged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.export.endpoints import float_endpoint, uint8_endpoint
from robust_tf.export.saved_model import write_saved_model

SHAPE = (4, 6, 3)
GOOD = np.random.default_rng(0).uniform(size=(37, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def signatures(tmp_path_factory):
    # A convolution: of another rank it would end the process.
    image = keras.Input(SHAPE)
    network = keras.Model(image, {"map": keras.layers.Conv2D(2, 3)(image)})
    endpoints = [
        make(name, lambda images: network(images), SHAPE, "")
        for name, make in (("serving_default", float_endpoint), ("uint8", uint8_endpoint))
    ]
    path = tmp_path_factory.mktemp("saved") / "1"
    write_saved_model(path, endpoints)
    loaded = tf.saved_model.load(str(path))
    return {"loaded": loaded, **loaded.signatures}


WRONG_SHAPES = {
    "one image without the batch axis": GOOD[0],
    "a line of pixels": GOOD[0, 0],
    "a number": GOOD[0, 0, 0, 0],
    "a batch of batches": GOOD[None],
    "an empty batch": GOOD[:0],
    "another height": np.zeros((2, 5, 6, 3), np.float32),
    "height and width exchanged": np.zeros((2, 6, 4, 3), np.float32),
    "one channel": GOOD[..., :1],
    "no pixels": np.zeros((2, 0, 6, 3), np.float32),
}


@pytest.mark.parametrize("endpoint", ["serving_default", "uint8"])
@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_another_shape_is_refused(signatures, endpoint, name):
    dtype = np.float32 if endpoint == "serving_default" else np.uint8
    images = WRONG_SHAPES[name].astype(dtype)
    got = ",".join(map(str, images.shape))
    said = rf"\[{got}\] is not compatible with expected shape \[\?,4,6,3\]"
    if name == "an empty batch":
        said = r"want at least one image.*; got shape\] \[0 4 6 3\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        signatures[endpoint](image=tf.constant(images))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e-9, 1.0000001, 255.0, 1e9])
def test_a_single_bad_value_is_found_wherever_it_is(signatures, bad):
    for place in np.random.default_rng(1).choice(GOOD.size, 8, replace=False):
        images = GOOD.copy()
        images.flat[place] = bad
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"with values in \[0, 1\]; got"):
            signatures["serving_default"](image=tf.constant(images))


@pytest.mark.parametrize("high, said", [(3.0, "[-2] [to] [3]"), (np.nan, "[nan] [to] [nan]")])
def test_the_message_names_the_values(signatures, high, said):
    images = np.resize(np.float32([-2.0, 0.5, high]), (1, *SHAPE))
    with pytest.raises(tf.errors.InvalidArgumentError) as refusal:
        signatures["serving_default"](image=tf.constant(images))
    wanted = "[image: want at least one image, with values in [0, 1]; got shape] [1 4 6 3] "
    assert f"{wanted}[with values from] {said}" in str(refusal.value)


@pytest.mark.parametrize("endpoint, dtype", [("serving_default", np.uint8), ("uint8", np.float32)])
def test_another_dtype_is_refused(signatures, endpoint, dtype):
    with pytest.raises(tf.errors.InvalidArgumentError, match="was expected to be a"):
        signatures[endpoint](image=tf.constant(GOOD.astype(dtype)))


def test_the_bounds_themselves_pass_and_the_gradient_too(signatures):
    images = tf.constant(np.resize(np.float32([0.0, 1.0, -0.0]), (2, *SHAPE)))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(signatures["serving_default"](image=images)["map"])
    gradient = tape.gradient(total, images).numpy()
    assert np.isfinite(gradient).all() and (gradient != 0).any()


def test_after_a_refusal_the_answers_are_the_same_bits(signatures):
    serve = signatures["serving_default"]
    before = serve(image=tf.constant(GOOD))["map"].numpy()
    with pytest.raises(tf.errors.InvalidArgumentError):
        serve(image=tf.constant(GOOD[0]))
    np.testing.assert_array_equal(serve(image=tf.constant(GOOD))["map"], before)
