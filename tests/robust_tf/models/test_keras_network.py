"""Any Keras model as a network: what is taken as logits and embedding, what is refused."""

import keras
import numpy as np
import pytest
from keras import layers

from robust_tf.errors import UserError
from robust_tf.models.keras_network import as_classifier, as_embedding

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
    ],
    ids=["dense", "layer", "activation"],
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
    vector = layers.Dense(5)(layers.Flatten()(image))
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


def test_outputs_of_16_bits_are_cast_up():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = sequential(layers.Dense(3))
    finally:
        keras.config.set_dtype_policy("float32")
    for tensor in as_classifier(network).output.values():
        assert tensor.dtype == "float32"


@pytest.mark.parametrize(
    "network, message",
    [
        (lambda: sequential(layers.Dense(3, "sigmoid")), "ends in a sigmoid"),
        (lambda: sequential(layers.Dense(1)), "a logit for each class"),
        (lambda: keras.Sequential([keras.Input([4, 4, 1]), layers.Conv2D(3, 1)]), "batch, n"),
        (lambda: keras.Sequential([layers.Dense(3)]), "keras.Input"),
        (lambda: "resnet", "keras.Model, not str"),
    ],
    ids=["sigmoid", "one output", "feature map", "no shape", "no model"],
)
def test_what_is_no_classifier_is_refused_in_one_line(network, message):
    with pytest.raises(UserError, match=message):
        as_classifier(network())


def test_what_is_no_embedding_is_refused_in_one_line():
    with pytest.raises(UserError, match="pooling='avg'"):
        as_embedding(sequential(layers.Dense(3, "softmax")))
    with pytest.raises(UserError, match="no layer 'nowhere'; its last layers are .*features"):
        as_embedding(sequential(), embedding="nowhere")
