"""What Keras users type with the defenses of a classifier, a line each."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel
from tla_tf.defenses import triplet_adversarial
from tla_tf.defenses.adversarial_logit_pairing import AdversarialLogitPairing
from tla_tf.defenses.adversarial_training import AdversarialTraining
from tla_tf.defenses.mart import Mart
from tla_tf.defenses.negatives import NegativeSelection
from tla_tf.defenses.trades import Trades
from tla_tf.defenses.triplet_adversarial import TripletAdversarial
from tla_tf.defenses.undefended import Undefended

EAGER = pytest.mark.usefixtures("eager")

DEFENSES = [Undefended, AdversarialTraining, AdversarialLogitPairing, TripletAdversarial]
SIZE, CLASSES, BATCH = 40, 3, 16  # the last batch of an epoch has 8 images
RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, CLASSES, SIZE)
X = (0.5 * RANDOM.random([CLASSES, 4, 4, 1])[Y] + 0.5 * RANDOM.random([SIZE, 4, 4, 1])).astype("f")
ONE_HOT = np.eye(CLASSES, dtype=np.float32)[Y]
FAST = PGD(ThreatModel(0.1), 2, random_start=True)
RADIUS = {"attack": FAST}


def network(batch_norm=False, end=None, seed=0):
    keras.utils.set_random_seed(seed)
    norm = [layers.BatchNormalization(momentum=0.5)] if batch_norm else []
    return keras.Sequential(
        [keras.Input([4, 4, 1]), layers.Flatten(), layers.Dense(6, "tanh"), *norm]
        + [layers.Dense(CLASSES, end)]
    )


def defense(kind=TripletAdversarial, optimizer="sgd", compiled=None, **settings):
    settings = {"attack": FAST, "weight_decay": 0.0, **settings}
    model = kind(network(settings.pop("batch_norm", False)), **settings)
    model.compile(optimizer, **(compiled or {}))
    return model


def fit(model, x=X, y=Y, **more):
    more = {"batch_size": BATCH, "verbose": 0, "shuffle": False, **more}
    return model.fit(x, y, **more).history


def weights_after(labels=Y, kind=TripletAdversarial):
    model = defense(kind)
    fit(model, y=labels)
    return model.get_weights()


@pytest.mark.parametrize("kind", DEFENSES)
def test_a_network_and_a_radius_are_enough_and_a_partial_batch_trains(kind, request):
    if kind in (Undefended, AdversarialTraining):  # whole runs of other tests compile these
        request.getfixturevalue("eager")
    model = kind(network(), eps="8/255")
    model.compile("adam")
    before = model.get_weights()
    history = model.fit(X, Y, batch_size=BATCH, verbose=0, validation_split=0.2).history
    assert np.all(np.isfinite([value for values in history.values() for value in values]))
    assert {"val_loss", "val_accuracy", "val_robust_accuracy"} <= history.keys()
    assert any(np.any(a != b) for a, b in zip(before, model.get_weights()))


def test_hyper_parameters_come_from_the_recipe():
    model = TripletAdversarial(network(), eps="8/255")
    assert (model.triplet_weight, model.margin, model.norm_weight) == (2.0, 0.03, 0.001)
    assert (model.attack.steps, model.attack.step_size) == (7, 2 / 255)
    assert model.weight_decay == 0.0002
    other = TripletAdversarial(network(), eps=0.3, recipe="mnist", margin=0.2)
    assert (other.triplet_weight, other.margin, other.attack.steps) == (0.5, 0.2, 40)
    # The step size of a recipe belongs to its radius.
    assert TripletAdversarial(network(), eps=0.1).attack.step_size == 2.5 * 0.1 / 7


@pytest.mark.parametrize("kind", DEFENSES[1:])
def test_a_radius_or_an_attack_is_needed(kind):
    for settings in {}, {"eps": 0.1, "attack": FAST}:
        with pytest.raises(UserError, match="eps='8/255' or attack=PGD"):
            kind(network(), **settings)
    with pytest.raises(UserError, match="the attack has its own norm, linf"):
        kind(network(), attack=FAST, norm="l2")


@EAGER
def test_integer_and_one_hot_labels_train_alike():
    expected = weights_after(kind=AdversarialTraining)
    for labels in Y[:, None], ONE_HOT.astype(np.int64):
        for one, other in zip(expected, weights_after(labels, AdversarialTraining), strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(UserError, match="integers or one-hot"):
        fit(defense(AdversarialTraining), y=0.5 * ONE_HOT)
    with pytest.raises(UserError, match="integers or one-hot"):
        fit(defense(AdversarialTraining), y=Y + 0.5)
    with pytest.raises(UserError, match="one-hot labels of 4 classes; the network has 3"):
        fit(defense(AdversarialTraining), y=np.pad(ONE_HOT, [(0, 0), (0, 1)]))


def test_wrong_images_and_labels_are_one_line_in_a_compiled_step():
    model = defense(Undefended)
    mistakes = {
        r"images .* in \[0, 1\]; this batch ranges from ": (255 * X, Y),
        "labels must be 0 to 2; this batch ranges from 1 to 3": (X, Y + 1),
        "labels must be 0 to 2; this batch ranges from -1 to 1": (X, Y - 1),
    }
    for said, (images, labels) in mistakes.items():
        for call in model.fit, model.evaluate, model.train_on_batch, model.test_on_batch:
            with pytest.raises(UserError, match=f"^{said}.*$"):
                call(images, labels)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_no_images_are_one_line(method):
    with pytest.raises(UserError, match=r"^there are no images: x has the shape \(0, 4, 4, 1\)$"):
        getattr(defense(), method)(X[:0], Y[:0])


@EAGER
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_labels_that_would_be_cut_or_rounded_to_others_are_refused(method):
    """2^32 + 1 has the low bits of class 1, and float32 has no 100,000,001."""
    for labels in Y + 2**32, (Y + 10**8).astype("float32"):
        with pytest.raises(UserError, match=f"labels of {labels.dtype} must be within"):
            getattr(defense(Undefended), method)(X, labels)


@pytest.mark.parametrize("attack", [FAB(eps=0.1), Square(eps=0.1), "pgd", PGD], ids=str)
def test_an_attack_without_ascent_is_no_inner_attack(attack):
    with pytest.raises(UserError, match="a defense trains with PGD, APGD or NoisyFGSM"):
        AdversarialTraining(network(), attack=attack)


@pytest.mark.parametrize(
    "attack, said",
    [
        (PGD(ThreatModel(8, upper=255)), r"pixels lie in \[0, 255\]; a defense .* \[0, 1\]"),
        (PGD(ThreatModel(0.1, lower=-1)), r"pixels lie in \[-1, 1\]; a defense .* \[0, 1\]"),
        (PGD(eps=0.1, loss="margin"), r"PGD\(loss='margin'\): the attack ascends the loss that"),
        (APGD(eps=0.1, loss="dlr"), r"APGD\(loss='dlr'\): the attack ascends the loss that"),
        (APGD(eps=0.1, restarts=2), r"APGD\(restarts=2\): .* has one run"),
    ],
)
def test_an_inner_attack_has_no_box_and_no_setting_that_nobody_reads(attack, said):
    """The first trained on images of 8 and more, the others as their defaults do."""
    for kind in AdversarialTraining, Undefended:
        with pytest.raises(UserError, match=said):
            kind(network(), attack=attack)
    AdversarialTraining(network(), attack=PGD(eps=0.1, restarts=2))


@pytest.mark.parametrize(
    "kind, name, value",
    [
        *((AdversarialTraining, "label_smoothing", value) for value in (-0.1, 1, 1.5, "0.1")),
        *((AdversarialTraining, "awp", value) for value in (-0.1, "0.1", float("nan"))),
        *((AdversarialTraining, "eps_warmup_steps", value) for value in (-2, 2.5, True)),
        *((AdversarialTraining, "seed", value) for value in (1.5, "a", None)),
        *((AdversarialTraining, "input_range", value) for value in ((1, 0), 1, ("0", "1"))),
        (Undefended, "norm", "l3"),
        *((Trades, "beta", value) for value in (-6, "6", float("nan"))),
        *((Mart, "beta", value) for value in (-6, "6", float("nan"))),
        *((AdversarialLogitPairing, "clean_weight", value) for value in (2, -1, "a")),
        (AdversarialLogitPairing, "pairing_weight", -1),
        (AdversarialLogitPairing, "attack_objective", "triplet"),
        *((TripletAdversarial, "margin", value) for value in (True, "0.1")),
        *((TripletAdversarial, "own_noise", value) for value in (8, -1, "0.1")),
        (TripletAdversarial, "own_margin_mul", -1),
        (TripletAdversarial, "match_l2", -1),
        (TripletAdversarial, "attack_hardness", 5),
        *((TripletAdversarial, "triplet_warmup_steps", value) for value in (-3, 2.5)),
        (TripletAdversarial, "concat_forward", "no"),
        (TripletAdversarial, "negatives", "random"),
    ],
)
def test_a_setting_is_what_its_flag_takes(kind, name, value):
    """A warm-up below 0 trained with a negative radius, and the text "no" was true."""
    with pytest.raises(ValueError, match=f"{name}"):
        kind(network(), eps=0.1, **{name: value})


@pytest.mark.parametrize(
    "name, value", [("keep", 5), ("keep", -1), ("keep", "0.5"), ("class_check", "no")]
)
def test_a_choice_of_negatives_is_what_its_flag_takes(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        NegativeSelection("masked", **{name: value})


def test_a_defense_with_numbers_of_numpy_is_saved():
    """A training of hours ended in: a float32 cannot be saved."""
    attack = PGD(eps=np.float32(0.1), steps=np.int64(2))
    settings = {"margin": np.float32(0.25), "triplet_weight": np.float64(2), "seed": np.int64(3)}
    model = TripletAdversarial(network(), attack=attack, **settings)
    again = TripletAdversarial.from_config(json.loads(json.dumps(model.get_config())))
    assert (again.margin, again.triplet_weight, again.seed) == (0.25, 2, 3)
    assert again.attack == attack


@dataclasses.dataclass(frozen=True)
class OwnPGD(PGD):
    share: float = 0.5


def test_a_file_calls_nothing_that_is_registered_but_settings():
    called = []
    keras.saving.register_keras_serializable("tests", "removes")(
        lambda **given: called.append(given)
    )
    config = AdversarialTraining(network(), **RADIUS).get_config()
    config["attack"] = {"settings": "tests>removes", "arguments": {"folder": "runs"}}
    with pytest.raises(UserError, match="dataclass tests>removes is not known"):
        AdversarialTraining.from_config(config)
    assert not called


def test_an_attack_of_ones_own_is_saved_once_its_class_is_registered(tmp_path):
    with pytest.warns(UserWarning, match="OwnPGD cannot be saved; .*register_keras_serializable"):
        AdversarialTraining(network(), attack=OwnPGD(eps=0.1, steps=2))
    keras.saving.register_keras_serializable("tests")(OwnPGD)
    own = OwnPGD(eps=0.1, steps=2, share=0.25)
    AdversarialTraining(network(), attack=own).save(tmp_path / "own.keras")
    assert keras.models.load_model(tmp_path / "own.keras").attack == own


def test_names_for_labels_are_one_line():
    names = np.array(["cat", "dog", "owl"])[Y]
    model, said = defense(Undefended), "^labels must be numbers, not (text|objects); .*$"
    for labels in names, names.astype(object), [*names], tf.constant(names):
        for call in model.fit, model.evaluate, model.train_on_batch, model.test_on_batch:
            with pytest.raises(UserError, match=said):
                call(X, labels)
        updates = int(model.optimizer.iterations)
        with pytest.raises(UserError, match=said):
            model.fit(X, Y, validation_data=(X, labels), verbose=0)
        with pytest.raises(UserError, match=said):
            model.fit(X, Y, BATCH, 1, 0, None, 0.0, (X, labels))
        assert int(model.optimizer.iterations) == updates
    dataset = tf.data.Dataset.from_tensor_slices((X, names)).batch(BATCH)
    with pytest.raises(UserError, match=said):
        model.fit(dataset, shuffle=False, verbose=0)


@EAGER
def test_sample_weight_and_class_weight_are_honoured_in_every_term():
    # Without random draws the second epoch computes what the first does.
    settings = {"attack": PGD(ThreatModel(0.1), 2, random_start=False), "positive": "own"}
    model = defense(optimizer=keras.optimizers.SGD(0.0), **settings)
    plain = fit(model)
    doubled = fit(model, sample_weight=np.full(SIZE, 2.0))
    for name in "loss", "cross_entropy", "triplet", "embedding_norm":
        assert doubled[name][0] == pytest.approx(2 * plain[name][0], rel=1e-5)
    assert fit(model, class_weight={0: 0.0, 1: 0.0, 2: 0.0})["loss"] == [0.0]


@EAGER
def test_the_validation_loss_honours_sample_weights():
    weights = (Y == 0).astype(np.float32)
    model = defense(AdversarialTraining, attack=PGD(ThreatModel(0.1), 1, random_start=False))
    measured = [
        model.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True)
        for x, y, w in ((X, Y, weights), (X[Y == 0], Y[Y == 0], None), (X, Y, None))
    ]
    weighted, chosen, plain = measured
    assert weighted["loss"] == pytest.approx(chosen["loss"] * weights.mean(), rel=1e-5)
    assert weighted["robust_accuracy"] == plain["robust_accuracy"]


@pytest.mark.parametrize("name", ["cifr10", "cub200", "mnist_quick"])
def test_an_unknown_recipe_is_refused(name):
    with pytest.raises(ValueError, match=f"unknown recipe '{name}'.*; choose from digits, mnist"):
        TripletAdversarial(network(), eps=0.1, recipe=name)


@pytest.mark.parametrize(
    "kind, name, value, allowed",
    [
        (TripletAdversarial, "anchor", "clen", "adv, clean"),
        (TripletAdversarial, "attack_objective", "cross_entropy", "ce, full, triplet, hardness"),
        (TripletAdversarial, "mining", "globl", "global, replica"),
        (AdversarialLogitPairing, "layer", "embedding", "logits, x4"),
        (AdversarialTraining, "attack_bn_mode", "train", "inference, training"),
    ],
)
def test_a_value_that_nobody_reads_is_refused(kind, name, value, allowed):
    with pytest.raises(ValueError, match=f"unknown {name} '{value}'.*; choose from {allowed}"):
        defense(kind, **{name: value})


def test_a_selection_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="selection 'nearst' .*'nearest'.*random, masked"):
        NegativeSelection("nearst")


@pytest.mark.parametrize("given", [{"loss": "mse"}, {"loss_weights": [2.0]}], ids=str)
def test_a_loss_is_refused(given):
    with pytest.raises(UserError, match="has the loss of its paper"):
        defense().compile("sgd", **given)


@pytest.mark.parametrize("kind", ["metrics", "weighted_metrics"])
def test_a_metric_with_the_name_of_a_number_of_the_defense_is_refused(kind):
    """It stood in the place of the robust accuracy, in every log."""

    def robust_accuracy(labels, outputs):
        return tf.zeros_like(labels)

    for metric in (keras.metrics.SparseCategoricalAccuracy("robust_accuracy"), robust_accuracy):
        with pytest.raises(UserError, match="shows its own robust_accuracy; give the metric"):
            defense(compiled={kind: ["accuracy", metric]})
    accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
    defense(compiled={kind: [accuracy]})
    of_three = keras.metrics.SparseTopKCategoricalAccuracy(3, name="accuracy")
    with pytest.raises(UserError, match="shows its own accuracy; give the metric"):
        defense(compiled={kind: [of_three]})


@pytest.mark.parametrize("begun", [True, False])
def test_weights_that_were_frozen_or_unfrozen_since_compile_are_told(begun):
    """A step that is compiled would go on with the weights of before, without a word."""
    model = AdversarialTraining(network(), **RADIUS)
    model.network.layers[-1].trainable = begun
    model.compile("sgd")
    model.network.layers[-1].trainable = not begun
    for method in (fit, lambda model: model.train_on_batch(X, Y)):
        with pytest.raises(UserError, match="after compile.* call compile.. again"):
            method(model)


@EAGER
def test_a_second_stage_trains_the_unfrozen_weights_too():
    model = AdversarialTraining(network(batch_norm=True), weight_decay=0.0, **RADIUS)
    _, _, first, norm, last = model.network.layers
    for frozen in (True, False):
        first.trainable = norm.trainable = not frozen
        model.compile("sgd")
        before = [[value.numpy() for value in layer.weights] for layer in (first, norm, last)]
        fit(model)
        after = [[value.numpy() for value in layer.weights] for layer in (first, norm, last)]
        moved = [np.any(a != b) for one, two in zip(before, after) for a, b in zip(one, two)]
        assert moved == [not frozen] * 6 + [True, True]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_predict_refuses_images_that_fit_refuses(jit_compile):
    """A folder of images has 0 to 255; predictions of them were silently wrong."""
    model = defense(AdversarialTraining, compiled={"jit_compile": jit_compile})
    with pytest.raises(UserError, match="in .0, 1.; this batch ranges from"):
        model.predict(255 * X, verbose=0)


def test_predict_reads_the_batches_of_fit():
    model = defense(AdversarialTraining)
    logits = model.predict(X, verbose=0)["logits"]
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)
    named = batches.map(lambda image, label: {"image": image, "label": label})
    for data in (batches, named):
        np.testing.assert_allclose(model.predict(data, verbose=0)["logits"], logits, atol=1e-6)
    for same in ([X], {"image": X}, tf.data.Dataset.from_tensor_slices({"image": X}).batch(BATCH)):
        np.testing.assert_allclose(model.predict(same, verbose=0)["logits"], logits, atol=1e-6)
    for same in (X, [X]):
        np.testing.assert_allclose(model.predict_on_batch(same)["logits"], logits, atol=1e-6)
    with pytest.raises(UserError, match="in .0, 1.; this batch ranges from"):
        model.predict(batches.map(lambda image, label: (255 * image, label)), verbose=0)
    with pytest.raises(UserError, match="in .0, 1.; this batch ranges from"):
        model.predict_on_batch(255 * X)


@EAGER
def test_binary_images_are_trained_and_predicted():
    """A check of their range ended in TensorFlow's list of the types that have a minimum."""
    model, binary = defense(AdversarialTraining), X > 0.5
    model.fit(binary, Y, verbose=0)
    logits = model.predict(np.float32(binary), verbose=0)["logits"]
    np.testing.assert_allclose(model.predict(binary, verbose=0)["logits"], logits, atol=1e-6)


@EAGER
def test_evaluate_measures_clean_and_robust_accuracy():
    model = defense(AdversarialTraining, keras.optimizers.SGD(0.5))
    fit(model, epochs=5)
    found = model.evaluate(X, Y, batch_size=BATCH, verbose=0, return_dict=True)
    logits = model.predict(X, verbose=0)["logits"]
    assert found["accuracy"] == pytest.approx(np.mean(logits.argmax(1) == Y))
    assert 0 < found["robust_accuracy"] < found["accuracy"]
    again = model.evaluate(X, ONE_HOT, batch_size=BATCH, verbose=0, return_dict=True)
    assert found == again


@pytest.mark.parametrize("labels", [Y, ONE_HOT], ids=["integer", "one-hot"])
@EAGER
def test_compiled_metrics_measure_the_clean_logits(labels):
    kind = "Sparse" if labels is Y else ""
    entropy = getattr(keras.metrics, f"{kind}CategoricalCrossentropy")(from_logits=True, name="ce")
    compiled = {"metrics": ["accuracy", entropy], "weighted_metrics": ["accuracy"]}
    model = defense(AdversarialTraining, keras.optimizers.SGD(0.0), compiled)
    weights = (Y == 0).astype(np.float32)
    history = fit(model, y=labels, validation_data=(X, labels, weights))
    logits = model.predict(X, verbose=0)["logits"]
    right = logits.argmax(1) == Y
    assert history["accuracy"][0] == pytest.approx(right.mean())
    assert history["val_weighted_accuracy"][0] == pytest.approx(right[Y == 0].mean())
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert history["val_ce"][0] == pytest.approx(-log_p[range(SIZE), Y].mean(), rel=1e-5)


def test_datasets_generators_and_steps_per_epoch():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)
    model = defense()
    model.fit(dataset, verbose=0, shuffle=False)
    for one, other in zip(weights_after(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model.fit(dataset.repeat(), steps_per_epoch=4, validation_data=dataset, verbose=0)
    assert int(model.optimizer.iterations) == 3 + 4
    model.fit(((X[i : i + 5], Y[i : i + 5]) for i in range(0, 30, 5)), verbose=0)


@pytest.mark.parametrize("shape", [None, [None, None, None, 1]])
def test_a_dataset_may_leave_the_size_of_its_images_open(shape):
    def batches():
        for start in range(0, SIZE, BATCH):
            yield X[start : start + BATCH], Y[start : start + BATCH]

    images = tf.TensorSpec(shape, tf.float32)
    for labels in (tf.TensorSpec([None], tf.int64), tf.TensorSpec(None, tf.int64)):
        dataset = tf.data.Dataset.from_generator(batches, output_signature=(images, labels))
        model = defense()
        if labels.shape.rank is None:
            with pytest.raises(UserError, match="^the labels of this dataset have no shape; give"):
                model.fit(dataset, verbose=0)
            continue
        model.fit(dataset, verbose=0, shuffle=False, validation_data=dataset)
        for one, other in zip(weights_after(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_single_batches(run_eagerly):
    model = defense(compiled={"run_eagerly": run_eagerly})
    assert model.train_on_batch(X[:7], Y[:7], return_dict=True)["loss"] > 0
    assert 0 <= model.test_on_batch(X[:7], Y[:7], return_dict=True)["robust_accuracy"] <= 1


@EAGER
def test_early_stopping_and_model_checkpoint_on_the_robust_accuracy(tmp_path):
    file = tmp_path / "best-{epoch}.keras"
    stop = keras.callbacks.EarlyStopping("val_robust_accuracy", mode="max", patience=1)
    keep = keras.callbacks.ModelCheckpoint(file)
    model = defense(optimizer=keras.optimizers.SGD(0.0))  # never better than at first
    history = fit(model, epochs=5, validation_data=(X, Y), callbacks=[stop, keep])
    assert len(history["loss"]) == 2
    loaded = keras.models.load_model(tmp_path / "best-2.keras")
    found, expected = (one.predict(X, verbose=0)["logits"] for one in (loaded, model))
    np.testing.assert_array_equal(found, expected)


@EAGER
def test_a_loaded_model_goes_on_as_the_saved_one(tmp_path):
    model = defense(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), batch_norm=True, seed=3)
    fit(model)
    model.save(tmp_path / "robust.keras")
    loaded = keras.models.load_model(tmp_path / "robust.keras")
    assert loaded.get_config()["attack"] == model.get_config()["attack"] and loaded.seed == 3
    for one in model, loaded:
        fit(one)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", DEFENSES)
def test_config_round_trip_of_every_defense(kind):
    model = defense(kind, seed=3)
    copy = kind.from_config(model.get_config())
    assert copy.get_config() == model.get_config() and copy.seed == 3
    assert repr(copy.attack) == repr(model.attack)


def test_config_round_trip():
    settings = {"margin": 0.07, "positive": "both", "anchor": "clean", "match_l2": 0.5}
    model = TripletAdversarial(network(), attack=FAST, **settings)
    copy = TripletAdversarial.from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    assert repr(copy.attack) == repr(FAST) and repr(copy.negatives) == repr(model.negatives)
    assert (copy.margin, copy.positive, copy.anchor, copy.match_l2) == (0.07, "both", "clean", 0.5)


@EAGER
def test_averaged_weights_have_averaged_statistics():
    ema = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5)
    model = defense(AdversarialTraining, ema, batch_norm=True)
    seen = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(model.get_weights())
    )
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit(model, callbacks=[record, swap], validation_data=(X, Y))
    expected = seen[0]
    for weights in seen[1:]:
        expected = [0.5 * a + 0.5 * b for a, b in zip(expected, weights)]
    assert len(expected) == 8  # two dense layers, batch norm
    for found, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-6)


def test_mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = defense()
        history = fit(model, validation_data=(X, Y))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float32")}


@EAGER
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_the_float_weights_of_a_quantized_network_are_trained():
    quantized = network()
    quantized.quantize("int8")
    dense = quantized.layers[-1]
    dense.enable_lora(2)
    before = dense._kernel.numpy(), dense.lora_kernel_a.numpy(), dense.lora_kernel_b.numpy()
    model = AdversarialTraining(quantized, eps=0.1)
    with pytest.warns(UserWarning, match="which no step changes: .*dense.*kernel"):
        model.compile("sgd")
    fit(model)
    kernel, *trained = dense._kernel, dense.lora_kernel_a, dense.lora_kernel_b
    np.testing.assert_array_equal(kernel, before[0])
    assert any(np.any(now != old) for now, old in zip(trained, before[1:], strict=True))


def test_other_ranges_softmax_ends_and_named_embeddings():
    with pytest.warns(UserWarning, match="softmax"):
        model = TripletAdversarial(network(end="softmax"), input_range=(0, 255), **RADIUS)
    logits = model.predict(X, verbose=0)["logits"]
    np.testing.assert_allclose(
        keras.ops.softmax(logits), network(end="softmax")(255 * X), atol=1e-5
    )
    image = keras.Input([4, 4, 1])
    pooled = layers.GlobalMaxPooling2D()(layers.Conv2D(CLASSES, 3, name="features")(image))
    with pytest.raises(UserError, match="embedding='layer_name'"):
        TripletAdversarial(keras.Model(image, pooled), **RADIUS)
    AdversarialTraining(keras.Model(image, pooled), **RADIUS)


def test_a_separate_pool_needs_the_pipeline():
    with pytest.raises(UserError, match="use pool='batch'"):
        fit(defense(pool="separate"))


def test_labels_are_needed():
    with pytest.raises(UserError, match="fit\\(images, labels\\)"):
        defense().fit(X, verbose=0)


@EAGER
def test_a_network_of_keras_applications_trains():
    settings = {"input_shape": (32, 32, 3), "alpha": 0.35, "classes": 10, "weights": None}
    mobile = keras.applications.MobileNetV2(**settings, classifier_activation=None)
    model = TripletAdversarial(mobile, attack=FAST, input_range=(-1, 1))
    model.compile("adam")
    images = RANDOM.random([4, 32, 32, 3]).astype("f")
    before = mobile.get_weights()
    history = model.fit(images, np.arange(4) % 2, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert any(np.any(a != b) for a, b in zip(before, mobile.get_weights()))


SLOW = [
    pytest.param(settings, 91, marks=pytest.mark.slow)
    for settings in ({}, {"positive": "both", "anchor": "clean"})
]


@pytest.mark.parametrize("settings, epochs", [({}, 16), *SLOW])
def test_batches_of_fit_have_no_wrong_label(settings, epochs, monkeypatch):
    """The images themselves show their class: the brightest pixel is not read from the labels."""
    random = np.random.default_rng(1)
    y = np.r_[random.integers(0, 2, 192), 2]  # class 2 has one image
    x = np.full([193, 4, 4, 1], 0.2, np.float32)
    x.reshape(193, 16)[np.arange(193), y] = 0.9
    counted = tf.Variable([0, 0, 0])  # batches, triplets, triplets with a wrong label
    images_of = {}

    def shown():
        return tf.argmax(tf.reshape(images_of["clean"], [-1, 16]), axis=1)

    def remember(self, batch, crafted):
        images_of["clean"] = batch["image"]
        return from_batch(self, batch, crafted)

    def select(self, batch, keys, candidates, labels):
        index, valid = chosen_negative(self, batch, keys, candidates, labels)
        wrong = valid & (tf.gather(shown(), index) == shown())
        found = [tf.cast(mask, tf.int32) for mask in (valid, wrong)]
        counted.assign_add([1, *(tf.reduce_sum(mask) for mask in found)])
        return index, valid

    def positive(labels, gallery_labels, own_slot, noise):
        index = chosen_positive(labels, gallery_labels, own_slot, noise)
        wrong = tf.cast(tf.gather(shown(), index) != shown(), tf.int32)
        counted.assign_add([0, 0, tf.reduce_sum(wrong)])
        return index

    from_batch, chosen_negative = TripletAdversarial._from_batch, TripletAdversarial._select
    chosen_positive = triplet_adversarial.in_batch_positive
    monkeypatch.setattr(TripletAdversarial, "_from_batch", remember)
    monkeypatch.setattr(TripletAdversarial, "_select", select)
    monkeypatch.setattr(triplet_adversarial, "in_batch_positive", positive)
    attack = PGD(ThreatModel(0.1), 1, random_start=True)
    fit(defense(attack=attack, **settings), x, y, batch_size=19, shuffle=True, epochs=epochs)
    batches, triplets, wrong = counted.numpy()
    assert batches >= 11 * epochs and triplets > 50 * epochs and wrong == 0
