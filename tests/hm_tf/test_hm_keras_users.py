"""What Keras users type with the defenses of an embedding, a line each."""

import importlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from hm_tf.defenses.anti_collapse_triplet import AntiCollapseTriplet
from hm_tf.defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet
from hm_tf.defenses.hardness_manipulation import HardnessManipulation
from hm_tf.defenses.metric_defense import MetricDefense
from hm_tf.defenses.min_max import MinMax
from hm_tf.defenses.no_defense import NoDefense
from hm_tf.defenses.suppressing_embedding_shift import SuppressingEmbeddingShift
from hm_tf.triplets.paired_batches import PairedBatches
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.square import Square
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel

EAGER = pytest.mark.usefixtures("eager")

DEFENSES = [
    HardnessManipulation,
    NoDefense,
    EmbeddingShiftedTriplet,
    AntiCollapseTriplet,
    MinMax,
    SuppressingEmbeddingShift,
]
SIZE, CLASSES, BATCH = 41, 5, 16  # the last batch of an epoch has 9 images
RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, CLASSES, SIZE)
X = (0.5 * RANDOM.random([CLASSES, 4, 4, 1])[Y] + 0.5 * RANDOM.random([SIZE, 4, 4, 1])).astype("f")
ONE_HOT = np.eye(CLASSES, dtype=np.float32)[Y]
ONE_BATCH = X[:BATCH], Y[:BATCH]
FAST = PGD(ThreatModel(0.1), 2)


def network(*end):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input([4, 4, 1]), layers.Flatten(), layers.Dense(6, "tanh"), layers.Dense(4), *end]
    )


def defense(kind=HardnessManipulation, optimizer="sgd", **settings):
    model = kind(network(), **{"attack": FAST, "weight_decay": 0.0, **settings})
    model.compile(optimizer)
    return model


def fit(model, x=X, y=Y, **more):
    more = {"batch_size": BATCH, "verbose": 0, "shuffle": False, **more}
    return model.fit(x, y, **more).history


@pytest.mark.parametrize("kind", [HardnessManipulation, NoDefense])  # with and without an attack
def test_a_network_is_enough_and_a_partial_batch_trains(kind):
    model = kind(network(), eps="8/255", source="semihard")
    model.compile("adam")
    before = model.get_weights()
    history = fit(model, shuffle=True, validation_split=0.3)
    assert np.all(np.isfinite([value for values in history.values() for value in values]))
    assert {"val_recall_at_1", "val_robust_recall_at_1"} <= history.keys()
    assert any(np.any(a != b) for a, b in zip(before, model.get_weights()))


def test_hyper_parameters_come_from_the_recipe():
    model = HardnessManipulation(network(), source="softhard", destination="lga", ics=0.5)
    assert (model.margin, model.weight_decay, model.sampling) == (0.2, 4e-4, "fixed")
    assert model.attack.threat_model == ThreatModel("8/255")
    assert (model.attack.steps, model.attack.step_size) == (8, 1 / 255)
    digits = HardnessManipulation(network(), recipe="digits")
    assert (digits.attack.threat_model.eps, digits.attack.step_size) == (0.15, 0.03)
    assert HardnessManipulation(network(), eps=0.1).attack.step_size == 2.5 * 0.1 / 8
    assert NoDefense(network()).attack is None
    with pytest.raises(UserError, match="not both"):
        MinMax(network(), eps=0.1, attack=FAST)
    with pytest.raises(UserError, match="the attack has its own norm, linf"):
        MinMax(network(), norm="l2", attack=FAST)


@pytest.mark.parametrize(
    "kind, name, value",
    [
        *((HardnessManipulation, "rise", value) for value in (-1, "0.1", float("nan"))),
        *((HardnessManipulation, "ics_margin", value) for value in (-1, "0")),
        *((HardnessManipulation, "loss_bound", value) for value in (-1, "1", float("nan"))),
        *((HardnessManipulation, "shards", value) for value in (0, 1.5, True)),
        (NoDefense, "shards", 0),
        (NoDefense, "norm", "l3"),
        *((MinMax, "awp", value) for value in (-0.1, "0.1")),
        (MinMax, "input_range", (1, 0)),
        *((SuppressingEmbeddingShift, "shift_weight", value) for value in (-1, "1")),
    ],
)
def test_a_setting_is_what_its_flag_takes(kind, name, value):
    """A weight below 0 trained the other way."""
    with pytest.raises(ValueError, match=name):
        kind(network(), **{name: value})


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 4.0}, {"batch_size": "4"}, {"seed": -1}, {"seed": "a"}]
)
def test_a_batch_size_and_a_seed_of_pairs_are_refused_before_the_training(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be a whole number"):
        PairedBatches(X, Y, **wrong)


@pytest.mark.parametrize("attack", [PGD(eps=0.1, restarts=2), PGD(ThreatModel(0.1, lower=-1))])
def test_an_inner_attack_is_for_images_in_0_1_and_has_one_run(attack):
    """No restart of an embedding ever counted, but each cost its time."""
    with pytest.raises(UserError, match=r"has one run|a defense takes images in \[0, 1\]"):
        MinMax(network(), attack=attack)


@EAGER
def test_the_labels_decide_whatever_the_order_of_the_batch():
    """The same images in another order have the same pairs, and so the same loss."""
    y = np.repeat(np.arange(4), 2)
    x, order = X[:8], np.array([0, 2, 4, 6, 1, 3, 5, 7])
    model = defense(NoDefense, keras.optimizers.SGD(0.0), source="hardest")
    one = fit(model, x, y, batch_size=8)
    other = fit(model, x[order], y[order], batch_size=8)
    assert one["skipped_triplets"] == other["skipped_triplets"] == [0.0]
    assert one["loss"][0] == pytest.approx(other["loss"][0], rel=1e-5)


@EAGER
def test_anchors_without_a_partner_are_counted():
    y = np.array([0, 0, 1, 1, 2, 3, 4, 5])
    history = fit(defense(), X[:8], y, batch_size=8)
    assert history["skipped_triplets"] == [0.5]  # (2, 3) and (4, 5) are no pairs


@EAGER
def test_pairs_are_made_inside_a_shard_as_on_another_replica():
    """Of 0 1 0 1 | 0 0 2 3 every shard keeps its images, whatever pairs the whole batch has."""
    y = np.array([0, 1, 0, 1, 0, 0, 2, 3])
    batch = defense(shards=2).unpack((tf.constant(X[:8]), tf.constant(y)), tf.constant(0))
    assert list(batch["label"]) == [0, 0, 1, 1, 0, 0, 2, 3]
    np.testing.assert_array_equal(batch["image"], X[:8][[0, 2, 1, 3, 4, 5, 6, 7]])


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_batch_that_the_shards_do_not_divide_is_one_line(run_eagerly):
    model = defense(NoDefense, shards=2)
    model.compile("sgd", run_eagerly=run_eagerly)
    with pytest.raises(UserError, match="^shards=2: a batch has images that do not divide .* 9$"):
        fit(model)  # the last batch has 9 images


@EAGER
def test_large_numbers_for_classes_are_told_apart_or_refused():
    y = Y + 2**30
    assert fit(defense(NoDefense), y=y) == fit(defense(NoDefense))
    for labels in Y * 2**32, (Y + 10**8).astype("float32"):
        with pytest.raises(UserError, match=f"labels of {labels.dtype} must be within"):
            fit(defense(NoDefense), y=labels)
        with pytest.raises(UserError, match=f"labels of {labels.dtype} must be within"):
            defense(NoDefense).evaluate(X, labels)


@EAGER
def test_an_evaluation_of_a_broken_network_has_recalls_of_nan():
    model = defense()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.warns(UserWarning, match="the recalls are NaN: embeddings are not finite"):
        assert np.isnan(model.evaluate(X, Y, verbose=0, return_dict=True)["recall_at_1"])


@pytest.mark.parametrize("attack", [FAB(eps=0.1), Square(eps=0.1), "pgd", PGD], ids=str)
def test_an_attack_without_ascent_is_no_inner_attack(attack):
    with pytest.raises(UserError, match="a defense trains with PGD, APGD or NoisyFGSM"):
        HardnessManipulation(network(), attack=attack)


@EAGER
def test_a_number_is_a_destination_as_its_text_is():
    number, text = defense(destination=-0.1), defense(destination="-0.1")
    assert fit(number, *ONE_BATCH) == fit(text, *ONE_BATCH)
    assert HardnessManipulation.from_config(number.get_config()).destination == -0.1


def test_a_single_batch_is_not_measured():
    with pytest.raises(UserError, match=r"retrieval needs a whole set; call evaluate\(x, y\)"):
        defense().test_on_batch(X, Y)


def test_paired_batches_refuse_names_for_labels():
    with pytest.raises(UserError, match="labels must be numbers, not text"):
        PairedBatches(X, np.array(["cat", "dog", "owl", "cow", "hen"])[Y], 8)


@EAGER
def test_batches_without_a_triplet_warn_once_and_change_no_weight():
    model = defense(ics=0.5)
    before = model.get_weights()
    with pytest.warns(UserWarning, match="3 batches of this epoch .*PairedBatches") as warned:
        history = fit(model, y=np.arange(SIZE), epochs=2)
    assert len([w for w in warned if "PairedBatches" in str(w.message)]) == 1
    assert history["loss"] == [0.0, 0.0] and history["skipped_triplets"] == [1.0, 1.0]
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)  # the level of the loss included


@pytest.mark.parametrize(
    "kind, run_eagerly",
    # Traced are those whose losses are of triplets and of all images.
    [(HardnessManipulation, False), (SuppressingEmbeddingShift, False)]
    + [(k, True) for k in (NoDefense, EmbeddingShiftedTriplet, AntiCollapseTriplet, MinMax)],
)
def test_a_last_batch_of_one_image_is_a_skipped_triplet(kind, run_eagerly):
    """Convolutions do not compute with no images, and the statistics of none would be NaN."""
    convolution = [layers.Conv2D(3, 3, activation="relu"), layers.BatchNormalization()]
    attack = None if kind is NoDefense else FAST
    model = kind(
        keras.Sequential([keras.Input([4, 4, 1]), *convolution, layers.Flatten(), layers.Dense(4)]),
        attack=attack,
        weight_decay=0.0,
    )
    model.compile("sgd", run_eagerly=run_eagerly, jit_compile=False)
    history = fit(model, X[:17], np.arange(17) % 4)
    assert np.all(np.isfinite(list(history.values())))
    before = [variable.numpy() for variable in model.trainable_variables]
    history = fit(model, X[:1], Y[:1])
    assert history["skipped_triplets"] == [1.0] and history["triplet"] == [0.0]
    assert np.all([np.isfinite(weight).all() for weight in model.get_weights()])
    if kind is not SuppressingEmbeddingShift:  # whose shift is a term of each image
        for one, other in zip(before, model.trainable_variables):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"metric_loss": "multi-similarity"}, "unknown metric_loss .* contrastive, multi_sim"),
        ({"distance": "manhattan"}, "unknown distance 'manhattan'; choose from euclidean"),
        ({"ics_triplet": "a,p"}, "unknown ics_triplet"),
        ({"sampling": "exact"}, "unknown mode 'exact'"),
        ({"distance": "unnormalized", "destination": "gb:distance"}, "of unit vectors only"),
        ({"margin": 0.0}, "margin=0: .* divides by it"),
        ({"loss_bound": 0.0}, "loss_bound=0: .* divides by it"),
        ({"destination": "-0.1", "loss_bound": 1.0}, "goes with a gradual"),
    ],
    ids=str,
)
def test_settings_without_a_meaning_are_refused(settings, said):
    with pytest.raises((UserError, ValueError), match=said):
        defense(**settings)


@EAGER
def test_paired_batches_lose_no_triplet():
    batches = PairedBatches(list(X), tf.constant(Y), 8)
    history = defense(NoDefense).fit(batches, epochs=2, verbose=0).history
    assert history["skipped_triplets"] == [0.0, 0.0]


@EAGER
def test_integer_and_one_hot_labels_train_alike():
    integer, one_hot = defense(NoDefense), defense(NoDefense)
    fit(integer)
    fit(one_hot, y=ONE_HOT)
    for a, b in zip(integer.get_weights(), one_hot.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_images_losses_and_metrics_are_refused_in_one_line():
    model = defense()
    for more in {"sample_weight": np.ones(SIZE)}, {"class_weight": dict.fromkeys(range(5), 1.0)}:
        with pytest.raises(UserError, match="a triplet has three images"):
            fit(model, **more)
    with pytest.raises(UserError, match="loss of its paper"):
        model.compile("adam", loss="mse")
    with pytest.raises(UserError, match="recall_at_1"):
        model.compile("adam", metrics=["accuracy"])


@EAGER
def test_validation_measures_retrieval_on_the_whole_set():
    model = defense(optimizer=keras.optimizers.SGD(0.0))
    history = fit(model, validation_data=(X, Y))
    embeddings = model.predict(X, verbose=0)["embedding"]
    cosine = embeddings @ embeddings.T - 2 * np.eye(SIZE)
    expected = np.mean(Y[cosine.argmax(1)] == Y)
    assert history["val_recall_at_1"] == pytest.approx([expected])
    assert history["val_robust_recall_at_1"][0] < expected
    found = model.evaluate(X, Y, batch_size=7, verbose=0, return_dict=True)
    assert found["recall_at_1"] == pytest.approx(expected)
    for labels in np.arange(3), np.zeros(3, int):  # one class would have a recall of 1
        with pytest.warns(UserWarning, match="recalls are NaN: 3 validation images of [13] class"):
            alone = model.evaluate(X[:3], labels, verbose=0, return_dict=True)
        assert np.isnan(alone["recall_at_1"]) and np.isnan(alone["robust_recall_at_1"])


@EAGER
def test_early_stopping_on_the_recall_and_datasets():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)
    stop = keras.callbacks.EarlyStopping("val_robust_recall_at_1", mode="max", patience=1)
    model = defense(optimizer=keras.optimizers.SGD(0.0))
    settings = {"steps_per_epoch": 2, "validation_data": dataset, "callbacks": [stop]}
    history = model.fit(dataset.repeat(), epochs=5, verbose=0, **settings).history
    assert len(history["loss"]) == 2


def test_a_config_has_the_weight_of_the_shift():
    config = defense(SuppressingEmbeddingShift, shift_weight=3.0).get_config()
    made = SuppressingEmbeddingShift.from_config(config)
    assert made.shift_weight == made.term_weights["shift"] == 3.0


@EAGER
def test_a_loaded_model_goes_on_as_the_saved_one(tmp_path):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model = defense(optimizer=optimizer, margin=0.3, source="random")
    file = tmp_path / "robust.keras"
    fit(model, callbacks=[keras.callbacks.ModelCheckpoint(file)])
    loaded = keras.models.load_model(file)
    assert loaded.margin == 0.3 and loaded.source == "random"
    assert loaded.get_config()["attack"] == model.get_config()["attack"]
    loaded.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(np.linalg.norm(served.serve(X)["embedding"], axis=1), 1, atol=1e-5)
    for one in model, loaded:
        fit(one, *ONE_BATCH)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_imports_no_module_of_its_destination(tmp_path, monkeypatch):
    (tmp_path / "module_of_a_file.py").write_text(
        "def half(level, source):\n    return source / 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = "module_of_a_file.half"
    defense(destination=name).save(tmp_path / "robust.keras")
    monkeypatch.delitem(sys.modules, "module_of_a_file")
    with pytest.raises(Exception, match="function of module_of_a_file, which no file imports"):
        keras.models.load_model(tmp_path / "robust.keras")
    assert "module_of_a_file" not in sys.modules
    importlib.import_module("module_of_a_file")
    assert keras.models.load_model(tmp_path / "robust.keras").destination == name


def test_a_model_of_two_replicas_loads_on_one(tmp_path):
    model = defense(shards=2)
    model.previous_loss.assign([0.1, 0.3])
    model.save(tmp_path / "two.keras")
    one = HardnessManipulation(model.network, attack=FAST, shards=1)
    one.load_own_variables({"0": model.previous_loss.numpy()})
    np.testing.assert_allclose(one.previous_loss, [0.2])


def test_mixed_bfloat16_and_another_range():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = defense(input_range=(-1, 1))
        history = fit(model, validation_data=(X, Y))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"] + history["val_recall_at_1"]).all()
    norms = np.linalg.norm(model.predict(X, verbose=0)["embedding"], axis=1)
    np.testing.assert_allclose(norms, 1, rtol=1e-5)


@pytest.mark.parametrize(
    "kind, epochs",
    # Those that mine twice, and while they train.
    [(HardnessManipulation, 6), (SuppressingEmbeddingShift, 6)]
    + [pytest.param(kind, 91, marks=pytest.mark.slow) for kind in DEFENSES],
)
def test_batches_of_fit_have_no_wrong_label(kind, epochs, monkeypatch):
    """The images themselves show their class: the brightest pixel is not read from the labels."""
    random = np.random.default_rng(1)
    y = np.r_[random.integers(0, 6, 192), 6, 7]  # classes 6 and 7 have one image
    x = np.full([194, 4, 4, 1], 0.2, np.float32)
    x.reshape(194, 16)[np.arange(194), y] = 0.9
    counted = tf.Variable([0, 0, 0])  # batches, triplets, triplets with a wrong label
    mine = MetricDefense.mine

    def watched(self, batch, *arguments, **more):
        triplets = mine(self, batch, *arguments, **more)
        shown = tf.argmax(tf.reshape(batch["image"], [-1, 16]), axis=1)
        a, p, n = (tf.gather(shown, places) for places in triplets[:3])
        wrong = triplets.valid & ((a != p) | (a == n) | (triplets.anchor == triplets.positive))
        found = [tf.cast(mask, tf.int32) for mask in (triplets.valid, wrong)]
        counted.assign_add([1, *(tf.reduce_sum(mask) for mask in found)])
        return triplets

    monkeypatch.setattr(MetricDefense, "mine", watched)
    attack = PGD(ThreatModel(0.1), 1, random_start=False)
    fit(defense(kind, attack=attack), x, y, batch_size=19, shuffle=True, epochs=epochs)
    batches, triplets, wrong = counted.numpy()
    assert batches >= 11 * epochs and triplets > 55 * epochs and wrong == 0
