"""attack(model, x, y): any classifier, arrays and tensors, in batches, for every family."""

import dataclasses
import gc
import warnings
import weakref
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.attack import Attack
from robust_tf.attacks.attack_images import PURPOSE
from robust_tf.attacks.auto_attack import VERSIONS, AutoAttack
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.expectation import EOT
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.logits_of import logits_of
from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.errors import RunError, UserError
from robust_tf.models.keras_network import as_classifier
from robust_tf.threat_model import ThreatModel

COUNT = 11
SMALL = {
    "pgd": PGD(eps=0.1, steps=3),
    "pgd-l2": PGD(eps=0.5, norm="l2", steps=3, restarts=2, loss="margin"),
    "apgd": APGD(eps=0.1, steps=3),
    "fab": FAB(eps=0.1, steps=3, targets=1),
    "square": Square(eps=0.1, queries=10),
    "cleverhans": CleverhansAttack(eps=0.1, name="pgd", steps=2, step_size=0.05),
    "preset": presets.get("cw3", ThreatModel(0.1)),
}


@pytest.fixture(scope="module")
def network():
    """A random network of 3 classes on 4x4x1 images that ends in a dense layer."""
    keras.utils.set_random_seed(1)
    images = keras.Input((4, 4, 1))
    hidden = keras.layers.Dense(12, activation="tanh")(keras.layers.Flatten()(images))
    logits = keras.layers.Dense(3, kernel_initializer="random_normal")(hidden)
    made = keras.Model(images, logits)
    made.layers[1].set_weights([w * 3 for w in made.layers[1].get_weights()])
    return made


@pytest.fixture(scope="module")
def data(network):
    x = np.random.default_rng(0).random((COUNT, 4, 4, 1)).astype("float32")
    return x, network.predict(x, verbose=0).argmax(axis=1)


def ending(network, *layers):
    """The network's layers, and more of them."""
    output = network.output
    for layer in layers:
        output = layer(output)
    return keras.Model(network.input, output)


@pytest.mark.parametrize("name", SMALL)
def test_every_family_attacks_arrays_in_batches_of_any_size(name, network, data):
    x, y = data
    attack = SMALL[name]
    x_adv = attack(network, x, y, seed=3)
    assert isinstance(x_adv, np.ndarray) and x_adv.dtype == x.dtype and x_adv.shape == x.shape
    assert np.all(attack.threat_model.contains(x_adv, x))
    assert np.any(x_adv != x)
    batches = attack(network, x, y, seed=3, batch_size=4)
    np.testing.assert_allclose(batches, x_adv, atol=1e-5)
    reverse = attack(network, x, keras.utils.to_categorical(y, 3), seed=3)
    np.testing.assert_array_equal(reverse, x_adv)  # one-hot labels are labels


def test_the_seed_and_the_place_of_an_image_decide_about_its_start(network, data):
    x, y = data
    attack = PGD(eps=0.1, steps=2)
    keys = randomness.image_keys(5, PURPOSE, tf.range(COUNT))
    expected = attack.perturb(network, tf.constant(x), tf.constant(y), keys)
    np.testing.assert_allclose(attack(network, x, y, seed=5), expected, atol=1e-6)
    assert np.any(attack(network, x, y, seed=6) != attack(network, x, y, seed=5))


def test_tensors_give_tensors_also_inside_a_function(network, data):
    x, y = map(tf.constant, data)
    attack = PGD(eps=0.1, steps=2)
    eager = attack(network, x, y, seed=1)
    assert tf.is_tensor(eager)
    graph = tf.function(lambda x, y: attack(network, x, y, seed=1), autograph=False)
    np.testing.assert_allclose(graph(x, tf.one_hot(y, 3)), eager, atol=1e-5)


def test_a_network_is_traced_once_for_all_calls(network, data):
    traces = []

    def counted(x):
        traces.append(x.shape)
        return network(x)

    attack = PGD(eps=0.1, steps=2)
    for seed in range(3):
        PGD(eps=0.1, steps=2)(counted, *data, seed=seed)
    # Two looks at one image before each call, and one for its gradient.
    eager = [shape for shape in traces if shape[0] == 1]
    # The attack, and the logits that are compared with later ones.
    assert len(eager) == 3 * 2 + 1 and len(traces) - len(eager) == 2
    assert attack == PGD(eps=0.1, steps=2) != PGD(eps=0.1, steps=3)


class Darker(keras.Model):
    """A network on images times `factor`."""

    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def call(self, images):
        return self.network(images * self.factor)


def test_what_was_compiled_is_not_attacked_where_the_model_is_another(network, data):
    """A name that means another model, another attribute, activation, or last layer."""
    attack = PGD(eps=0.1, steps=1)
    keys = randomness.image_keys(0, PURPOSE, tf.range(COUNT))
    other = keras.models.clone_model(network)
    named, by_attribute = {"model": network}, Darker(network, 1.0)
    names = {"name": lambda x: named["model"](x), "attribute": by_attribute}
    names["activation"] = keras.models.clone_model(network)
    names["layer"] = keras.Sequential([keras.Input((4, 4, 1)), *network.layers[1:]])
    before = {kind: attack(model, *data) for kind, model in names.items()}
    named["model"], by_attribute.factor = other, 0.2
    names["activation"].layers[2].activation = keras.activations.relu
    names["layer"].pop()
    names["layer"].add(keras.layers.Dense(3, kernel_initializer="random_normal"))
    for kind, model in names.items():
        found = attack(model, *data)
        expected = attack.perturb(model, *map(tf.constant, data), keys)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=kind)
        assert np.any(np.abs(found - before[kind]) > 0.01), kind


def test_a_model_is_freed_once_its_user_has_deleted_it(network, data, tmp_path):
    """Whatever was compiled for it goes with it; a method is a new object at each call."""
    network.export(tmp_path, verbose=False)

    def graph():
        return keras.models.clone_model(network)

    def function():
        model = graph()
        return lambda images: model(images)

    kinds = {"call of its own": lambda: Darker(graph(), 1.0), "function": function, "graph": graph}
    kinds["sequential"] = lambda: keras.Sequential(graph().layers)
    kinds["saved"] = lambda: tf.saved_model.load(tmp_path)
    attack, known = PGD(eps=0.1, steps=1), {}
    for kind, make in kinds.items():
        model = make()
        attack(model, *data)
        known[kind] = weakref.ref(model)
    model = Darker(graph(), 1.0)
    attack(model.call, *data)
    known["method"] = weakref.ref(model)
    traced, model.network = [], lambda images: traced.append(images.shape[0]) or network(images)
    attack(model.call, *data)
    attack(model.call, *data)
    assert traced.count(None) == 2  # the attack, and the logits
    del model
    gc.collect()
    assert [kind for kind, model in known.items() if model() is not None] == []


def test_a_random_network_is_traced_once_too(network, data):
    traces = []

    def noisy(x):
        traces.append(x.shape[0])
        return network(x) + tf.random.normal([1, 3])

    for _ in range(2):
        PGD(eps=0.1, steps=2)(noisy, *data)
    assert len([size for size in traces if size is None]) == 2  # the attack, and the logits


def test_a_graph_that_rounds_coarsely_is_traced_once_too(network, data):
    """As in 16 bits, where TensorFlow puts operations of a graph together."""
    traces = []

    def coarse(x):
        traces.append(x.shape[0])
        return network(x) * (1.0 if tf.executing_eagerly() else 1.05)

    for _ in range(2):
        PGD(eps=0.1, steps=2)(coarse, *data)
    assert len([size for size in traces if size is None]) == 2


@pytest.mark.parametrize(
    "labels", [lambda y: y[:, None], lambda y: np.float32(y)[:, None], lambda y: np.eye(3)[y]]
)
def test_labels_of_every_form_inside_a_function(labels, network, data):
    x, y = data
    attack = PGD(eps=0.1, steps=2)
    batches = tf.data.Dataset.from_tensor_slices((x, labels(y))).batch(COUNT)
    attacked = tf.autograph.experimental.do_not_convert(lambda x, y: attack(network, x, y))
    (found,) = batches.map(attacked)
    np.testing.assert_allclose(found, attack(network, x, y), atol=1e-5)


@pytest.mark.parametrize(
    "change, match",
    [
        ({"x": lambda x: x * 255}, r"must be finite and in \[0, 1\]; these range from"),
        ({"x": lambda x: x * np.nan}, "must be finite"),
        ({"x": lambda x: (x * 255).astype("uint8")}, "got uint8; e.g. x.astype"),
        ({"x": lambda x: tf.cast(x, "bfloat16")}, r"got bfloat16; e.g. tf.cast\(x, 'float32'\)"),
        ({"y": lambda y: y + 3}, r"labels must lie in 0 ... 2"),
        ({"y": lambda y: 0.8 * np.eye(3)[y] + 0.1}, "integers or one-hot, a single 1 in each row"),
        ({"y": lambda y: y + 0.5}, "labels must be integers or one-hot"),
        ({"y": lambda y: y.astype(str)}, "labels must be numbers, not text; .* numbers names"),
        ({"x": lambda x: x[0], "y": lambda y: y[0]}, r"of one image give x\[None\] and \[y\]"),
        ({"model": lambda model: lambda x: model(x)[:, :1]}, r"must return logits \[n, classes\]"),
        ({"model": lambda model: lambda x: tf.nn.softmax(model(x))}, "returns probabilities"),
    ],
)
def test_mistakes_inside_a_function(change, match, network, data):
    given = {"model": network, "x": data[0], "y": data[1]}
    model, x, y = (change.get(name, lambda value: value)(given[name]) for name in given)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=match):
        tf.function(PGD(eps=0.1, steps=1), autograph=False)(model, tf.constant(x), tf.constant(y))


def test_arrays_inside_a_function(network, data):
    attack = PGD(eps=0.1, steps=1)
    found = tf.function(lambda: attack(network, *data), autograph=False)()
    np.testing.assert_allclose(found, attack(network, *data), atol=1e-5)


@pytest.mark.parametrize("kind", ["dict", "function", "saved", "embedding"])
def test_every_kind_of_classifier(kind, network, data, tmp_path):
    x, y = data
    model = {
        "dict": keras.Model(network.input, {"logits": network.output}),
        "embedding": keras.Model(
            network.input, {"embedding": network.layers[-1].input, "logits": network.output}
        ),
        "function": lambda images: network(images),
        "saved": None,
    }[kind]
    if kind == "saved":
        network.export(tmp_path / "model", verbose=False)
        model = tf.saved_model.load(tmp_path / "model")
    attack = PGD(eps=0.1, steps=2)
    expected = attack(network, x, y)
    np.testing.assert_allclose(attack(model, x, y), expected, atol=1e-5)
    np.testing.assert_allclose(attack(model, np.float64(x), y), expected, atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        "softmax layer",
        "softmax activation",
        "softmax of the dense layer",
        "nested",
        "called before",
    ],
)
def test_the_softmax_at_the_end_is_left_out_with_a_warning(kind, network, data):
    x, _ = data
    if kind == "softmax of the dense layer":
        model = keras.models.clone_model(
            network,
            clone_function=lambda layer: layer.__class__.from_config(
                {
                    **layer.get_config(),
                    **({"activation": "softmax"} if layer is network.layers[-1] else {}),
                }
            ),
        )
        model.set_weights(network.get_weights())
    else:
        softmax = keras.layers.Softmax()
        model = ending(
            network, keras.layers.Activation("softmax") if kind == "softmax activation" else softmax
        )
    if kind == "nested":
        image = keras.Input((4, 4, 1))
        model = keras.Model(image, model(keras.layers.Rescaling(1.0)(image)))
    if kind == "called before":  # the softmax is in two graphs, this is the second
        image = keras.Input((4, 4, 1))
        model = keras.Model(image, softmax(network(image)))
    np.testing.assert_allclose(np.sum(model(x), axis=1), 1, atol=1e-5)
    with pytest.warns(UserWarning, match="ends in probabilities"):
        logits_fn = logits_of(model)
    np.testing.assert_allclose(logits_fn(x), network(x), atol=1e-5)


class Preprocessed(keras.Model):
    """Has the graph of another network, and a call of its own."""

    def call(self, images, training=None):
        return super().call(tf.round(images), training=training)


def test_a_call_of_the_user_is_not_passed_over(network, data):
    x, _ = data
    model = Preprocessed(network.input, network.output)
    assert np.abs(model(x) - network(x)).max() > 0.02
    np.testing.assert_array_equal(logits_of(model)(x), model(x))
    adapted = as_classifier(model)
    np.testing.assert_array_equal(adapted(x)["logits"], model(x))


def test_a_model_without_a_gradient_is_told_to_attacks_that_need_one(network, data):
    x, y = data
    rounded = Preprocessed(network.input, network.output)
    for attack in PGD(eps=0.1, steps=2), FAB(eps=0.1, steps=2):
        with pytest.warns(UserWarning, match="no gradient of the logits reaches") as warned:
            attack(rounded, x, y)
        assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        square = Square(eps=0.1, queries=2)
        for attack in square, EOT(eps=0.1, attack=square, passes=2):
            attack(rounded, x, y)
        PGD(eps=0.1, steps=2)(network, x, y)


@pytest.mark.parametrize("attack", [PGD(eps=0.1, steps=2), AutoAttack(eps=0.1)])
def test_a_sequential_is_attacked_and_its_softmax_named_once(attack, data, monkeypatch):
    monkeypatch.setitem(VERSIONS, "standard", ("apgd-dlr",))
    x, y = data
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3, "softmax"))
    with pytest.warns(UserWarning, match="ends in probabilities") as warned:
        found = attack(model, x, y)
    assert found.shape == x.shape and len(warned) == 1
    if isinstance(attack, AutoAttack):
        assert warned[0].filename == __file__


def einsum(network):
    """Its softmax is part of a layer whose input has other columns than its logits."""
    head = {"output_shape": 3, "bias_axes": "d", "activation": "softmax"}
    return keras.Model(
        network.input,
        keras.layers.EinsumDense("bc,cd->bd", **head)(network.layers[-1].input),
    )


def raw_pixels():
    image = keras.Input((4, 4, 1), dtype="uint8")
    return keras.Model(image, keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image)))


def two_inputs():
    images = [keras.Input((4, 4, 1)) for _ in range(2)]
    return keras.Model(images, keras.layers.Flatten()(keras.layers.Add()(images)))


class OfFour(tf.Module):
    """A SavedModel of batches of four images, of the dtype of `spec`."""

    def save(self, path, dtype=tf.float32):
        spec = tf.TensorSpec([4, 4, 4, 1], dtype, name="image")

        @tf.function(input_signature=[spec])
        def logits(image):
            return {"logits": tf.reshape(tf.cast(image, tf.float32), [4, 16])[:, :3]}

        tf.saved_model.save(self, path, signatures=logits)
        return tf.saved_model.load(path)


@pytest.mark.parametrize("kind", ["function", "saved"])
def test_logits_of_16_bits_are_attacked_in_32(kind, tmp_path):
    """In bfloat16 a confident softmax rounds to 1, and its gradient to 0."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1])])
    def rounded(x):
        return {"logits": tf.cast(tf.reshape(x, [-1, 16])[:, :3], tf.bfloat16)}

    model = rounded
    if kind == "saved":
        tf.saved_model.save(tf.Module(), str(tmp_path), signatures=rounded)
        model = tf.saved_model.load(str(tmp_path))
    assert logits_of(model)(tf.ones([2, 4, 4, 1])).dtype == tf.float32


@pytest.mark.parametrize("dtype, said", [("float32", "batches of 4 images"), ("uint8", "uint8")])
def test_a_saved_model_of_other_images_is_refused(data, tmp_path, dtype, said):
    saved = OfFour().save(str(tmp_path), dtype)
    with pytest.raises(ValueError, match=said):
        PGD(eps=0.1)(saved, *data)


@pytest.mark.parametrize(
    "change, match",
    [
        ({"x": lambda x: x * 255}, r"in \[0, 1\]; these range from .* to 25\d"),
        ({"x": lambda x: x * np.nan}, "must be finite"),
        ({"x": lambda x: (x * 255).astype("uint8")}, "got uint8; e.g. x.astype"),
        ({"y": lambda y: y + 3}, r"labels must lie in 0 \.\.\. 2, .* they range from"),
        ({"y": lambda y: y + 0.5}, "labels must be whole numbers, got .* of float64"),
        ({"y": lambda y: 0.8 * np.eye(3)[y] + 0.1}, r"single 1 .* y.argmax\(axis=1\)"),
        ({"y": lambda y: y.astype(str)}, "labels must be numbers, not text; .* numbers names"),
        ({"x": lambda x: tf.cast(x, "bfloat16")}, r"got bfloat16; e.g. tf.cast\(x, 'float32'\)"),
        ({"batch_size": lambda _: -1}, "batch_size must be a whole number >= 1, got -1"),
        ({"batch_size": lambda _: 2.5}, "batch_size must be a whole number >= 1, got 2.5"),
        ({"seed": lambda _: "a"}, "seed must be a whole number, got 'a'"),
        ({"seed": lambda _: None}, "seed must be a whole number, got None"),
        ({"y": lambda y: y[:3]}, r"need labels \[11\] or one-hot \[11, 3\], got \[3\]"),
        ({"x": lambda x: x[0], "y": lambda y: y[0]}, r"of one image give x\[None\] and \[y\]"),
        (
            {"model": lambda model: lambda x: tf.nn.softmax(model(x))},
            "probabilities .* attacks need logits",
        ),
        ({"model": lambda model: lambda x: {"a": x, "b": x}}, "no output is called 'logits'"),
        ({"model": lambda model: lambda x: model(x)[:, :1]}, r"must return logits \[n, classes\]"),
        ({"model": lambda model: lambda x: [x, x]}, "has 2 outputs; name them in a dict"),
        ({"model": lambda model: lambda x: {"embedding": x}}, "the outputs are embedding"),
        ({"model": lambda model: einsum(model)}, "returns probabilities"),
        (
            {"model": lambda model: lambda x: tf.numpy_function(model, [x], tf.float32)},
            r"number of classes is unknown in a graph, .* tf.ensure_shape",
        ),
        ({"model": lambda model: tf.reduce_mean}, r"must return logits \[n, classes\], got \(\)"),
        ({"model": lambda model: raw_pixels()}, "takes uint8 images, which have no gradient"),
        ({"model": lambda model: two_inputs()}, "has 2 inputs"),
        (
            {"model": lambda model: lambda x: model(x).numpy()},
            "with TensorFlow, .*returned ndarray",
        ),
        ({"model": lambda model: "model.keras"}, "expected a keras.Model, .*got str"),
        ({"model": lambda model: np.zeros(3)}, "expected a keras.Model, .*got ndarray"),
        ({"x": lambda x: tf.data.Dataset.from_tensors(x)}, "got _TensorDataset; of a tf.data"),
    ],
)
def test_mistakes_are_one_line(change, match, network, data):
    given = {"model": network, "x": data[0], "y": data[1], "batch_size": None, "seed": 0}
    given = {name: change.get(name, lambda value: value)(value) for name, value in given.items()}
    with pytest.raises(ValueError, match=match) as error:
        PGD(eps=0.1)(**given)
    assert "\n" not in str(error.value)


def test_images_that_are_not_finite_are_never_returned(network, data):
    def with_root(x):
        root = tf.sqrt(tf.reduce_sum(x - x, axis=[1, 2, 3]))  # 0; its slope is infinite
        return network(x) + root[:, None]

    with pytest.raises(RunError, match="images are not finite; is the gradient"):
        PGD(eps=0.1, steps=1)(with_root, *data)


def test_no_images_are_no_mistake(network, data):
    assert PGD(eps=0.1)(network, data[0][:0], data[1][:0]).shape == (0, 4, 4, 1)


def test_radius_and_norm_or_a_threat_model():
    by_hand = PGD(ThreatModel("8/255", "l2"), 20)
    assert PGD(eps="8/255", norm="l2", steps=20) == by_hand
    assert PGD(ThreatModel(0.3), eps="8/255", norm="l2") == by_hand
    assert dataclasses.replace(by_hand, eps=0.1).threat_model == ThreatModel(0.1, "l2")
    assert dataclasses.replace(by_hand, steps=3).step_size == by_hand.step_size
    with pytest.raises(ValueError, match=r"APGD needs a radius: APGD\(eps='8/255'\)"):
        APGD(steps=3)
    with pytest.raises(ValueError, match="Square takes a ThreatModel or eps=, got '8/255'"):
        Square("8/255")
    with pytest.raises(dataclasses.FrozenInstanceError):
        by_hand.steps = 3


@pytest.mark.parametrize(
    "kind, name, value",
    [(PGD, "steps", 2.5), (PGD, "restarts", "2"), (APGD, "steps", "5"), (FAB, "targets", 1.5)]
    + [(Square, "queries", 10.0), (FAB, "steps", 0), (APGD, "restarts", -1)],
)
def test_counts_are_whole_numbers(kind, name, value):
    message = f"^{kind.__name__}: {name} must be a whole number >= 1, got {value!r}$"
    with pytest.raises(ValueError, match=message):
        kind(eps=0.1, **{name: value})
    assert PGD(eps=0.1, steps=np.int64(3)).steps == 3


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: PGD(eps=0.1, steps=True), "PGD: steps must be a whole number >= 1, got True"),
        (
            lambda: PGD(eps=0.1, random_start="no"),
            "PGD: random_start must be True or False, got 'n",
        ),
        (lambda: PGD(eps=0.1, momentum=0.9), r"momentum is Momentum\(0.9\), or None; got 0.9"),
        (lambda: PGD(eps=0.1, loss=["ce"]), r"unknown loss \['ce'\]"),
        (lambda: Momentum("0.9"), "Momentum: decay must be a number, got '0.9'"),
        (lambda: FAB(eps=0.1, targeted="no"), "FAB: targeted must be True or False, got 'no'"),
        (lambda: FAB(eps=0.1, eta="1"), "FAB: eta must be a number, got '1'"),
        (lambda: Square(eps=0.1, p="0.8"), "Square: p must be a number, got '0.8'"),
        (lambda: ThreatModel(0.1, upper="1"), "ThreatModel: upper must be a number, got '1'"),
        (lambda: ThreatModel(0.1, upper=tf.constant(1.0)), "ThreatModel: upper must be a number"),
        (lambda: presets.get("pgd5", "8/255"), r"such as ThreatModel\('8/255'\), got '8/255'"),
        (lambda: presets.get("pgd5", ThreatModel(0.1), "l3"), "unknown mim_form 'l3'.*; choose"),
        (lambda: presets.get(5, ThreatModel(0.1)), "unknown attack '5'"),
    ],
)
def test_a_setting_of_another_kind_is_a_value_error(make, said):
    """The text "no" started at random, and a text for a number ended in a TypeError."""
    with pytest.raises(ValueError, match=said):
        make()


def test_settings_of_numpy_are_written_as_python_s():
    """They stood in the names of results as np.int64(3)."""
    attack = PGD(eps=np.float32(0.1), steps=np.int64(4), random_start=np.bool_(True))
    assert str(attack) == str(PGD(eps=0.1, steps=4)) and repr(attack) == repr(PGD(eps=0.1, steps=4))


def test_repr_can_be_read_back():
    for attack in (*list(SMALL.values())[:-1], PGD(eps=0.1, momentum=Momentum(1.0, "l1"))):
        assert eval(repr(attack), globals()) == attack


@dataclasses.dataclass(frozen=True)
class Shift(Attack):
    """Brightens the images of one class by the radius: an attack of one's own."""

    label: int = 0

    def perturb(self, logits_fn, x, y, key, shard=None):
        chosen = tf.reshape(tf.cast(y == self.label, x.dtype), [-1, 1, 1, 1])
        return self.threat_model.project(x + self.threat_model.eps * chosen, x)


@dataclasses.dataclass(frozen=True)
class Other(Attack):
    """Returns what is no attacked batch."""

    change: Callable = tf.identity

    def perturb(self, logits_fn, x, y, key, shard=None):
        return self.change(x)


def of_numpy(x):
    """As a function of another library, which forgets the shape."""
    return tf.numpy_function(lambda images: np.clip(images + np.float32(0.05), 0, 1), [x], x.dtype)


@pytest.mark.parametrize("traced", [False, True])
def test_an_attack_of_ones_own_may_forget_the_shape(traced, network, data):
    x, y = data
    attack = Other(eps=0.1, change=of_numpy)
    call = (
        tf.function(lambda x: attack(network, x, y)) if traced else lambda x: attack(network, x, y)
    )
    found = call(tf.constant(x))
    assert found.shape == x.shape
    np.testing.assert_allclose(found, np.clip(x + np.float32(0.05), 0, 1))


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda x: tf.cast(x, tf.float64), "float64 .* images like x, float32"),
        (lambda x: x[..., 0], r"float32 \(None, 4, 4\); it must"),
        (lambda x: tf.transpose(x, [0, 3, 1, 2]), r"\(None, 1, 4, 4\); it must"),
    ],
)
def test_images_of_another_form_are_one_line(change, said, network, data):
    with pytest.raises(UserError, match=f"^Other.perturb returns .*{said}"):
        Other(eps=0.1, change=change)(network, *data)


@dataclasses.dataclass(frozen=True)
class Moved(Attack):
    """Moves all images along an array."""

    along: np.ndarray | None = None

    def perturb(self, logits_fn, x, y, key, shard=None):
        return self.threat_model.project(x + self.along, x)


def test_a_setting_may_be_an_array(network, data):
    x, y = data
    for size in np.float32([0.05, 0.02]):
        found = Moved(eps=0.1, along=np.full([4, 4, 1], size))(network, x, y)
        np.testing.assert_allclose(found, np.clip(x + size, 0, 1), atol=1e-6)


def test_one_image_does_not_stand_for_all(network, data):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Other.perturb returns another num"):
        Other(eps=0.1, change=lambda x: x[:1])(network, *data)


def test_an_attack_has_its_settings_in_fields():
    """Two objects whose settings no field holds are equal: one would be taken for the other."""
    with pytest.raises(UserError, match=r"^Own has an __init__; an attack is a @dataclasses"):

        class Own(Attack):
            def __init__(self, size, **kw):
                super().__init__(**kw)

    with pytest.raises(NotImplementedError, match="^Attack has no method perturb$"):
        Attack(eps=0.1).perturb(None, None, None, None)


def test_auto_attack_runs_each_member_on_what_is_still_correct(monkeypatch):
    """A threshold at 0.5 on the mean: +0.2 fools class 0 from 0.4 on, and nothing else."""

    def logits_fn(x):
        mean = tf.reduce_mean(x, axis=[1, 2, 3])
        return tf.stack([0.5 - mean, mean - 0.5], axis=1)

    x = (
        np.full((4, 2, 2, 1), 0.0, "float32")
        + np.float32([0.4, 0.1, 0.8, 0.45])[:, None, None, None]
    )
    y = np.array([0, 0, 1, 1])  # the last is misclassified already

    monkeypatch.setattr(AutoAttack, "members", (Shift(eps=0.2), Shift(eps=0.2, label=1)))
    found = AutoAttack(eps=0.2)(logits_fn, x, y)
    np.testing.assert_allclose(found[:, 0, 0, 0], [0.6, 0.1, 0.8, 0.45], atol=1e-6)
    graph = AutoAttack(eps=0.2).perturb(logits_fn, tf.constant(x), tf.constant(y), None)
    np.testing.assert_allclose(graph[:, 0, 0, 0], [0.6, 0.1, 0.8, 0.45], atol=1e-6)


def test_auto_attack_has_the_published_members():
    members = AutoAttack(eps="8/255").members
    assert [type(member).__name__ for member in members] == ["APGD", "APGD", "FAB", "Square"]
    assert [presets.get(n, ThreatModel("8/255")).attack for n in VERSIONS["standard"]] == [*members]
    with pytest.raises(ValueError, match="unknown version 'best'; choose from standard, fast"):
        AutoAttack(eps=0.1, version="best")
