"""The train-step template, with the smallest defense there is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.errors import UserError
from robust_tf.training.adversarial_model import AdversarialModel, weighted_total

EAGER = pytest.mark.usefixtures("eager")


class Plain(AdversarialModel):
    """Squared logits of shifted images; the shift is what it crafts."""

    def __init__(self, network, shift=0.0, **kw):
        super().__init__(network, term_weights={"square": 2.0}, monitors=("seen",), **kw)
        self.shift = shift

    def craft(self, batch):
        self.network(batch["image"], training=False)
        first = tf.reshape(self.network.weights[0], [-1])[0]
        return {"shifted": batch["image"] + self.shift * first}

    def loss_terms(self, batch, crafted):
        logits = self.network(crafted["shifted"], training=True)["logits"]
        return {"square": tf.reduce_sum(logits**2, axis=1)}, {"seen": crafted["shifted"][:, 0]}


def network(batch_norm=False):
    image = keras.Input([3], name="image")
    x = keras.layers.BatchNormalization(momentum=0.5)(image) if batch_norm else image
    logits = keras.layers.Dense(2, kernel_initializer="ones", bias_initializer="ones")(x)
    return keras.Model(image, {"logits": logits})


def fit(model, images, rate=0.0, epochs=1):
    model.compile(optimizer=keras.optimizers.SGD(rate))
    labels = np.zeros(len(images))
    return model.fit(images, labels, batch_size=len(images), epochs=epochs, verbose=0).history


IMAGES = np.array([[0.5, 0, 0], [0, 1, 1], [0.25, 0.25, 0]], np.float32)
SQUARES = 2 * (1 + IMAGES.sum(1)) ** 2


def test_the_logged_loss_is_the_weighted_mean_of_the_terms():
    history = fit(Plain(network()), IMAGES)
    np.testing.assert_allclose(history["square"], [SQUARES.mean()], rtol=1e-6)
    np.testing.assert_allclose(history["loss"], [2 * SQUARES.mean()], rtol=1e-6)


@EAGER
def test_reduction_sum():
    history = fit(Plain(network(), reduction="sum"), IMAGES)
    np.testing.assert_allclose(history["loss"], [2 * SQUARES.sum()], rtol=1e-6)


@EAGER
def test_weight_decay_is_on_kernels_only():
    history = fit(Plain(network(), weight_decay=10.0), IMAGES)
    decay = 10.0 * 0.5 * 6  # six ones in the kernel, two in the bias
    np.testing.assert_allclose(history["loss"], [2 * SQUARES.mean() + decay], rtol=1e-6)


@EAGER
def test_the_loss_of_an_epoch_is_the_mean_over_images():
    """The last batch has one image of three: a mean over batches would count it as two."""
    model = Plain(network())
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(IMAGES, np.zeros(3), batch_size=2, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], [2 * SQUARES.mean()], rtol=1e-6)


@EAGER
def test_the_regularizers_of_weights_are_in_the_loss_and_move_the_weights():
    image = keras.Input([3])
    penalty = keras.regularizers.L2(10.0)
    dense = keras.layers.Dense(2, kernel_initializer="ones", kernel_regularizer=penalty)
    model = Plain(keras.Model(image, {"logits": dense(image)}))
    history = fit(model, np.zeros([1, 3], np.float32), rate=0.01)
    np.testing.assert_allclose(history["loss"], [10.0 * 6], rtol=1e-6)
    np.testing.assert_allclose(dense.kernel, 1 - 0.01 * 2 * 10.0 * np.ones([3, 2]), rtol=1e-6)


def test_a_frozen_network_is_told():
    frozen = network()
    frozen.trainable = False
    with pytest.warns(UserWarning, match="is frozen: no weight is trainable"):
        fit(Plain(frozen), IMAGES)


def test_a_regularizer_of_outputs_is_refused():
    image = keras.Input([3])
    logits = keras.layers.Dense(2, activity_regularizer="l2", name="head")(image)
    with pytest.raises(UserError, match="the layer head has an activity_regularizer"):
        Plain(keras.Model(image, {"logits": logits}))


class AddedLoss(keras.layers.Layer):
    def call(self, outputs):
        self.add_loss(keras.ops.mean(outputs**2))
        return outputs


@EAGER
def test_a_loss_that_a_layer_adds_is_refused():
    image = keras.Input([3])
    logits = AddedLoss(name="own")(keras.layers.Dense(2)(image))
    model = Plain(keras.Model(image, {"logits": logits}))
    model.compile(optimizer="sgd", jit_compile=False)
    with pytest.raises(UserError, match="^the layer own calls add_loss"):
        model.fit(IMAGES, np.zeros(3), verbose=0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_dataset_without_batches_is_one_line(jit_compile):
    model = Plain(network())
    model.compile(optimizer="sgd", jit_compile=jit_compile)
    for labels, said in (
        (np.zeros(3), "this is one image"),
        (np.eye(2)[[0, 1, 0]], "3 images have 2"),
    ):
        with pytest.raises(UserError, match=rf"^{said}.* dataset.batch\(32\)"):
            model.fit(tf.data.Dataset.from_tensor_slices((IMAGES, labels)), verbose=0)


@EAGER
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_batch_may_be_a_dict(jit_compile):
    """As data sets of TensorFlow Datasets have it, with further entries."""
    entries = {"image": IMAGES, "label": np.zeros(3), "id": np.arange(3)}
    model = Plain(network())
    model.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=jit_compile)
    batches = tf.data.Dataset.from_tensor_slices(entries).batch(3)
    found = model.fit(batches, verbose=0).history
    np.testing.assert_allclose(found["loss"], [2 * SQUARES.mean()], rtol=1e-6)
    for wrong, names in (
        ({"x": IMAGES, "y": np.zeros(3)}, "x, y"),
        (({"pixels": IMAGES}, np.zeros(3)), "pixels"),
    ):
        batches = tf.data.Dataset.from_tensor_slices(wrong).batch(3)
        with pytest.raises(UserError, match=f"this one has a dict with the entries {names}$"):
            model.fit(batches, verbose=0)


def test_one_step_follows_the_gradient():
    model = Plain(network())
    fit(model, IMAGES, rate=0.1)
    logits = 1 + IMAGES.sum(1)
    gradient = 2 * 2 * (logits[:, None] * IMAGES).mean(0)
    kernel = model.network.trainable_variables[0].numpy()
    np.testing.assert_allclose(kernel[:, 0], 1 - 0.1 * gradient, rtol=1e-5)


@EAGER
def test_what_is_crafted_carries_no_gradient():
    plain, crafting = Plain(network()), Plain(network(), shift=1e-6)
    for model in (plain, crafting):
        fit(model, IMAGES, rate=0.1)
    for a, b in zip(plain.network.get_weights(), crafting.network.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-4)
    # With a large shift the constant would matter if the gradient went through it.
    model = Plain(network(), shift=1.0)
    fit(model, np.zeros([1, 3], np.float32), rate=0.1)
    kernel = model.network.trainable_variables[0].numpy()
    np.testing.assert_allclose(kernel, 1 - 0.1 * 2 * 2 * 4 * np.ones([3, 2]), rtol=1e-5)


@EAGER
def test_crafting_in_inference_mode_leaves_the_moving_statistics():
    model = Plain(network(batch_norm=True))
    fit(model, IMAGES)
    mean = model.network.layers[1].moving_mean.numpy()
    np.testing.assert_allclose(mean, 0.5 * IMAGES.mean(0), rtol=1e-5)  # one update, not two


@EAGER
def test_the_radius_of_the_attack_grows_linearly_and_stays():
    shares = []

    class Attacked(Plain):
        def craft(self, batch):
            shares.append(float(batch["eps_share"]))
            return super().craft(batch)

    fit(Attacked(network(), eps_warmup_steps=4), IMAGES, epochs=6)
    assert shares == [0.25, 0.5, 0.75, 1, 1, 1]


@EAGER
@pytest.mark.parametrize("value", [1.5, -0.1, np.nan])
def test_images_out_of_range_are_refused(value):
    images = IMAGES.copy()
    images[1, 1] = value
    with pytest.raises(UserError, match="in \\[0, 1\\]"):
        fit(Plain(network()), images)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(precision):
    keras.config.set_dtype_policy(precision)
    try:
        model = Plain(network())
        # float16 skips its first steps, until the loss scale has come down far enough.
        history = fit(model, IMAGES, rate=0.01, epochs=12)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"][0])
    kernel = model.network.trainable_variables[0].numpy()
    assert kernel.dtype == np.float32 and np.all(kernel != 1.0)


def test_weighted_total():
    terms = {"a": tf.constant([1.0, 3.0]), "b": tf.constant([2.0, 2.0])}
    assert weighted_total(terms, {"a": 1.0, "b": 0.5}, "mean") == 3.0
    assert weighted_total(terms, {"a": 1.0, "b": 0.5}, "sum") == 6.0


class Returning(Plain):
    """What its `loss_terms` returns is made of the term and of the monitor of `Plain`."""

    def __init__(self, change, **kw):
        super().__init__(network(), **kw)
        self.change = change

    def loss_terms(self, batch, crafted):
        terms, monitors = super().loss_terms(batch, crafted)
        return self.change(terms["square"], monitors["seen"])


@EAGER
@pytest.mark.parametrize(
    "change, said",
    [
        # A column times the sample weights [n] would be a matrix, whose mean forgets the weights.
        (lambda term, seen: ({"square": term[:, None]}, {}), r"square has the shape \(3, 1\)"),
        (lambda term, seen: ({"square": term[:, None] - term}, {}), r"has the shape \(3, 3\)"),
        (lambda term, seen: ({"square": tf.reduce_mean(term)}, {}), r"has the shape \(\)"),
        (lambda term, seen: ({"squares": term}, {}), "terms squares; term_weights names square$"),
        (lambda term, seen: ({}, {}), "terms none; term_weights names square$"),
        (lambda term, seen: ({"square": term}, {"scene": seen}), "scene; name it in monitors=$"),
        (lambda term, seen: {"square": term}, "returns two dicts"),
        (lambda term, seen: None, "returns two dicts"),
    ],
)
def test_what_a_hook_of_ones_own_returns_is_one_line(change, said):
    model = Returning(change)
    model.compile(optimizer="sgd", jit_compile=False)
    with pytest.raises(UserError, match=f"^loss_terms.*{said}"):
        model.fit(IMAGES, np.zeros(3), sample_weight=np.array([0.0, 1.0, 2.0]), verbose=0)


@pytest.mark.parametrize("name, monitors", [("loss", ()), ("a", ("a",))])
def test_two_values_of_one_name_are_refused(name, monitors):
    with pytest.raises(UserError, match=f"^two values are called {name}:"):
        AdversarialModel(network(), term_weights={name: 1.0}, monitors=monitors)


def test_a_network_without_named_outputs_is_one_line():
    image = keras.Input([3])
    output = keras.layers.Identity()(image)
    for outputs in (output, [output, output]):
        with pytest.raises(UserError, match="^mine does not return a dict of outputs; as_class"):
            Plain(keras.Model(image, outputs, name="mine"))


def test_a_defense_of_ones_own_says_what_it_lacks():
    class Forgetful(Plain):
        def __init__(self, network, rate, **kw):
            super().__init__(network, **kw)

    with pytest.raises(UserError, match="^Forgetful cannot be saved: .*write self.rate = rate in"):
        Forgetful(network(), 0.5).get_config()
    with pytest.raises(NotImplementedError, match="^Plain has no method test_values"):
        Plain(network()).test_values({})


def test_a_layer_of_the_defense_is_trained_if_it_is_built():
    class Headed(Plain):
        def __init__(self, network, **kw):
            super().__init__(network, **kw)
            self.head = keras.layers.Dense(1, name="head")

        def loss_terms(self, batch, crafted):
            terms, monitors = super().loss_terms(batch, crafted)
            return {"square": self.head(terms["square"][:, None])[:, 0]}, monitors

    model = Headed(network())
    with pytest.raises(UserError, match="^the layer head of Headed has no weights .* its build"):
        model.compile("sgd")
    model.head.build([None, 1])
    before = model.head.kernel.numpy()
    fit(model, IMAGES, rate=0.1)
    assert np.all(model.head.kernel.numpy() != before)


class Halves(keras.layers.Layer):
    """Has no weights of its own, and no `build`."""

    def __init__(self, inner=None):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return x / 2


class Scaled(Plain):
    """Attacks images after a layer of its own."""

    def __init__(self, network, scale, **kw):
        super().__init__(network, **kw)
        self.scale = scale

    def craft(self, batch):
        return super().craft({"image": self.scale(batch["image"])})


@EAGER
@pytest.mark.parametrize("scale", [keras.layers.Rescaling(0.5), Halves()])
def test_a_layer_without_weights_needs_no_build(scale):
    history = fit(Scaled(network(), scale), IMAGES)
    squares = 2 * (1 + IMAGES.sum(1) / 2) ** 2
    np.testing.assert_allclose(history["square"], [squares.mean()], rtol=1e-6)


def test_a_layer_inside_a_layer_needs_its_build():
    inner = keras.layers.Dense(3, name="inner")
    with pytest.raises(UserError, match="^the layer inner of Scaled has no weights"):
        Scaled(network(), Halves(inner)).compile("sgd")
