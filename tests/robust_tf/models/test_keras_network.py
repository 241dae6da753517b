"""Any Keras model as a network: what is taken as logits and embedding, what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from robust_tf.errors import UserError
from robust_tf.models.keras_network import as_classifier, as_embedding
from robust_tf.models.unit_length import UnitLength

IMAGES = np.random.default_rng(0).uniform(size=[3, 4, 4, 1]).astype(np.float32)


def sequential(*end, image=(4, 4, 1)):
    return keras.Sequential(
        [keras.Input(image), layers.Flatten(), layers.Dense(5, "relu", name="features"), *end]
    )


def outputs(network, images=IMAGES):
    return {name: value.numpy() for name, value in network(images).items()}


def test_a_tensor_output_is_taken_as_logits_and_the_last_dense_layers_input_as_embedding():
    network = sequential(layers.Dense(3))
    found = outputs(as_classifier(network))
    np.testing.assert_array_equal(found["logits"], network(IMAGES))
    features = keras.Model(network.inputs[0], network.get_layer("features").output)(IMAGES)
    np.testing.assert_array_equal(found["embedding"], features)


def test_the_weights_are_shared():
    network = sequential(layers.Dense(3, "softmax"))
    with pytest.warns(UserWarning, match="softmax"):
        adapted = as_classifier(network)
    assert {id(v) for v in adapted.variables} == {id(v) for v in network.variables}


@pytest.mark.parametrize(
    "end",
    [
        [layers.Dense(3, "softmax")],
        [layers.Dense(3), layers.Softmax()],
        [layers.Dense(3), layers.Activation("softmax")],
        [layers.Dense(3, tf.nn.softmax)],
        [layers.Dense(3, "softmax"), layers.Activation("linear", dtype="float32")],
    ],
    ids=["dense", "layer", "activation", "of tensorflow", "cast behind it"],
)
def test_a_softmax_is_left_out_with_one_line(end):
    network = sequential(*end)
    with pytest.warns(UserWarning, match="is left out: attacks and losses need logits"):
        found = outputs(as_classifier(network))
    np.testing.assert_allclose(
        keras.ops.softmax(found["logits"]), network(IMAGES), rtol=1e-5, atol=1e-7
    )
    assert found["embedding"].shape == (3, 5)


def test_a_softmax_free_copy_can_be_saved(tmp_path):
    with pytest.warns(UserWarning, match="softmax"):
        network = as_classifier(sequential(layers.Dense(3, "softmax")))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(IMAGES)["logits"], network(IMAGES)["logits"])


def test_the_logits_of_a_softmax_have_the_precision_of_the_output():
    keras.config.set_dtype_policy("float16")
    try:
        half = sequential(layers.Dense(3, "softmax"))
        keras.config.set_dtype_policy("mixed_bfloat16")
        with pytest.warns(UserWarning, match="softmax"):
            adapted = [
                as_classifier(network)
                for network in (half, sequential(layers.Dense(3, "softmax", dtype="float32")))
            ]
    finally:
        keras.config.set_dtype_policy("float32")
    assert outputs(adapted[0])["logits"].dtype == np.float32
    assert adapted[1].layers[-1].compute_dtype == "float32"


def test_a_softmax_in_code_of_the_user_is_refused():
    class Subclass(keras.Model):
        def call(self, images):
            return keras.ops.softmax(keras.ops.reshape(images, [-1, 16]))

    network = Subclass()
    network(IMAGES)
    for own in network, sequential(layers.Lambda(keras.ops.softmax)):
        with pytest.raises(UserError, match="returns probabilities"):
            as_classifier(own)
        with pytest.raises(UserError, match="returns probabilities .* not an embedding"):
            as_embedding(own)


@pytest.mark.parametrize(
    "ending",
    [
        [layers.SpectralNormalization(layers.Dense(3, "softmax"))],
        [layers.Dense(3, "softmax"), layers.Reshape((3,))],
        [layers.Dense(3, "softmax"), layers.Reshape((3,)), layers.Activation("linear")],
        [layers.Dense(3, activation=lambda logits: keras.ops.softmax(logits))],
        [keras.Sequential([keras.Input([5]), layers.Dense(3, "softmax"), layers.Reshape((3,))])],
    ],
    ids=["in a wrapper", "before a reshape", "before linear layers", "a function", "nested"],
)
def test_a_softmax_that_no_graph_shows_is_refused(ending):
    with pytest.raises(UserError, match="returns probabilities .* not logits"):
        as_classifier(sequential(*ending))


def test_an_end_without_an_activation_is_no_softmax():
    """Images of any size, as some networks of keras.applications take 75 pixels at least."""
    image = keras.Input((None, None, 1))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 75)(image))
    assert as_classifier(keras.Model(image, pooled)).output["logits"].shape == (None, 3)


def test_a_network_of_one_batch_size_is_tried_with_it():
    image = keras.Input(batch_shape=(4, 3, 3, 1))
    logits = keras.ops.reshape(image, (4, 9))
    assert as_classifier(keras.Model(image, logits)).output["logits"].shape == (4, 9)


def test_an_embedding_that_is_a_number_per_image_is_refused():
    numbers = sequential(layers.Lambda(lambda images: images[:, 0]))
    with pytest.raises(UserError, match=r"its embedding must be \[batch, n\]"):
        as_embedding(numbers)


def test_an_embedding_is_a_row_per_image():
    image = keras.Input([4, 4, 1])
    maps = layers.Dense(3)(layers.Conv2D(4, 3)(image))
    network = keras.Model(image, layers.GlobalAveragePooling2D()(maps))
    assert as_classifier(network).output.keys() == {"logits"}


def test_a_layer_of_another_graph_too_is_taken_in_this_one():
    features = layers.Dense(5, name="features")
    features(layers.Flatten()(keras.Input([4, 4, 1])))
    image = keras.Input([4, 4, 1])
    network = keras.Model(image, layers.Dense(3)(features(layers.Flatten()(image))))
    assert outputs(as_classifier(network, embedding="features"))["embedding"].shape == (3, 5)


@pytest.mark.parametrize("form", ["dict", "list"])
def test_the_only_image_may_stand_in_a_structure(form, recwarn):
    plain, image = sequential(layers.Dense(3)), keras.Input([4, 4, 1], name="image")
    network = keras.Model({"image": image} if form == "dict" else [image], [plain(image)])
    found = outputs(as_classifier(network, input_range=(0, 255)))["logits"]
    np.testing.assert_allclose(found, plain(255 * IMAGES), rtol=1e-5, atol=1e-4)
    assert not recwarn.list


def test_a_nested_model_at_the_end():
    network = keras.Sequential([keras.Input([4, 4, 1]), sequential(layers.Dense(3))])
    found = outputs(as_classifier(network))
    np.testing.assert_array_equal(found["logits"], network(IMAGES))
    assert found["embedding"].shape == (3, 5)


def test_a_named_layer_is_the_embedding():
    network = sequential(layers.Dense(4), layers.Dense(3))
    assert outputs(as_classifier(network, embedding="features"))["embedding"].shape == (3, 5)
    assert as_embedding(network, embedding="features").output["embedding"].shape == (None, 5)


def test_the_logits_as_embedding_and_the_same_weights_on_disk(tmp_path):
    network = sequential(layers.Dense(3))
    logits = as_classifier(network, embedding="logits")
    found = outputs(logits)
    np.testing.assert_array_equal(found["embedding"], found["logits"])
    assert as_classifier(network, embedding="penultimate").output["embedding"].shape == (None, 5)
    logits.save(tmp_path / "run.keras")
    usual = as_classifier(sequential(layers.Dense(3)))
    usual.load_weights(tmp_path / "run.keras")
    np.testing.assert_array_equal(outputs(usual)["logits"], found["logits"])


def test_the_input_range_is_inserted():
    network = sequential(layers.Dense(3))
    found = outputs(as_classifier(network, input_range=(-1, 1)))["logits"]
    np.testing.assert_allclose(found, network(2 * IMAGES - 1), rtol=1e-5, atol=1e-6)
    found = outputs(as_classifier(network, input_range=(0, 255)))["logits"]
    np.testing.assert_allclose(found, network(255 * IMAGES), rtol=1e-5, atol=1e-4)


def test_a_network_of_this_library_stays_itself():
    image = keras.Input([4, 4, 1])
    vector = UnitLength()(layers.Dense(5)(layers.Flatten()(image)))
    network = keras.Model(image, {"logits": layers.Dense(3)(vector), "embedding": vector})
    assert as_classifier(network) is network
    assert as_embedding(network) is network


def test_a_subclass_has_logits_once_it_was_called():
    class Subclass(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = sequential(layers.Dense(3))

        def call(self, images):
            return self.head(images)

    network = Subclass()
    with pytest.raises(UserError, match="call the model once"):
        as_classifier(network)
    expected = network(IMAGES)
    found = outputs(as_classifier(network))
    np.testing.assert_array_equal(found["logits"], expected)
    assert "embedding" not in found


def test_embeddings_have_length_one():
    network = sequential()
    found = outputs(as_embedding(network))["embedding"]
    plain = network(IMAGES).numpy()
    norms = np.linalg.norm(plain, axis=1, keepdims=True)
    expected = plain / np.where(norms > 0, norms, 1)  # a ReLU may leave nothing of an image
    assert norms.any()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert len(as_embedding(sequential(layers.UnitNormalization())).layers) == 4  # no second one
    named = keras.Model(network.inputs[0], {"embedding": network.outputs[0]})
    np.testing.assert_array_equal(outputs(as_embedding(named))["embedding"], found)


def test_outputs_of_16_bits_are_cast_up():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = sequential(layers.Dense(3))
        unit = [layers.Flatten(), layers.Dense(2), layers.UnitNormalization()]
        unit = keras.Sequential([keras.Input([4, 4, 1]), *unit])
    finally:
        keras.config.set_dtype_policy("float32")
    for tensor in as_classifier(network).output.values():
        assert tensor.dtype == "float32"
    lengths = np.linalg.norm(outputs(as_embedding(unit))["embedding"], axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


class Own(layers.Dense):
    """Its product may be another than that of a dense layer."""


def raw_pixels():
    image = keras.Input([4, 4, 1], dtype="uint8")
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.Rescaling(1 / 255)(image))))


def called_on_a_dict():
    class OfDict(keras.Model):
        def call(self, inputs):
            return inputs["image"]

    network = OfDict()
    network({"image": IMAGES})
    return network


@pytest.mark.parametrize(
    "network, message",
    [
        (lambda: sequential(layers.Dense(3, "sigmoid")), "ends in a sigmoid"),
        (lambda: sequential(layers.Dense(1)), "a logit for each class"),
        (lambda: keras.Sequential([keras.Input([4, 4, 1]), layers.Conv2D(3, 1)]), "batch, n"),
        (lambda: keras.Sequential([layers.Dense(3)]), "keras.Input"),
        (lambda: "resnet", "keras.Model, not str"),
        (lambda: raw_pixels(), "takes uint8 images, which have no gradient"),
        (lambda: sequential(Own(3, "softmax")), "must end without its softmax"),
        (lambda: called_on_a_dict(), "takes a dict"),
    ],
    ids=[
        *("sigmoid", "one output", "feature map", "no shape", "no model", "integers"),
        *("a layer of one's own", "a dict"),
    ],
)
def test_what_is_no_classifier_is_refused_in_one_line(network, message):
    with pytest.raises(UserError, match=message):
        as_classifier(network())


def test_what_is_no_embedding_is_refused_in_one_line():
    with pytest.raises(UserError, match="pooling='avg'"):
        as_embedding(sequential(layers.Dense(3, "softmax")))
    with pytest.raises(UserError, match="no layer 'nowhere'; its last layers are .*features"):
        as_embedding(sequential(), embedding="nowhere")
