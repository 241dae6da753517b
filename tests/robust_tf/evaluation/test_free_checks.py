"""What is wrong with a network is said, and probabilities are attacked as their logits are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.square import Square
from robust_tf.data.examples import Examples
from robust_tf.evaluation.attack_column import Column
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.evaluation.doubts import looked_at
from robust_tf.evaluation.free_checks import free_checks
from robust_tf.threat_model import ThreatModel

COUNT, SIDE, CLASSES = 120, 4, 5
KERNEL = np.random.default_rng(1).normal(size=[SIDE * SIDE, CLASSES]).astype(np.float32) * 4


def logits_of(x):
    return tf.matmul(tf.reshape(x, [-1, SIDE * SIDE]) - 0.5, KERNEL)


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(0).uniform(0, 1, [COUNT, SIDE, SIDE, 1]).astype(np.float32)
    return Examples(images, logits_of(images).numpy().argmax(axis=1).astype(np.int32))


def with_batch_statistics(x):
    logits = logits_of(x)
    return (logits - tf.reduce_mean(logits, 0)) / tf.math.reduce_std(logits, 0)


def cut(x):
    return logits_of(tf.stop_gradient(x) + 0 * x)


@tf.custom_gradient
def turned(x):
    """Its gradient has the wrong sign."""
    return tf.identity(x), tf.negative


def flat_above(x):
    """No gradient for some images only."""
    return tf.where(x[:, :1, 0, 0] > 0.8, logits_of(tf.stop_gradient(x) + 0 * x), logits_of(x))


def noisy(x):
    logits = logits_of(x)
    return logits + 1e-3 * tf.random.normal(tf.shape(logits))


MISTAKES = [
    (lambda x: tf.nn.softmax(logits_of(x)), "probabilities", "every row sums to 1"),
    (lambda x: tf.nn.softmax(logits_of(x) / 3), "probabilities", "attacked through log p"),
    (lambda x: tf.nn.sigmoid(logits_of(x)), "probabilities", "as after a sigmoid"),
    (lambda x: tf.nn.softmax(400 * logits_of(x)), "saturated probabilities", "only square"),
    (lambda x: tf.tanh(logits_of(x)), "bounded outputs", "lie in [-1, 1]"),
    (cut, "zero gradients", "100 of 100 images have a zero"),
    (lambda x: logits_of(tf.round(9 * x) / 9), "zero gradients", "100 of 100 images have a zero"),
    (flat_above, "zero gradients", "of 100 images have a zero"),
    (lambda x: 100 * logits_of(x), "zero gradients", "huge logits"),
    (lambda x: logits_of(turned(x)), "misleading gradients", "in 50 of 50 images a step of 2/255"),
    (noisy, "random outputs", "of 50 images: the network is random"),
    (with_batch_statistics, "outputs depend on the batch", "of 50 images get other outputs"),
    (lambda x: logits_of((x - 127.5) / 40), "near chance", "on [0, 255] it is"),
    (lambda x: tf.reverse(logits_of(x), [1]), "near chance", "the order of the classes"),
]


def look(outputs_fn, data, **options):
    rows = looked_at(COUNT, 250)
    labels = tf.constant(data.labels[rows])
    return free_checks(outputs_fn, tf.constant(data.images[rows]), labels, **options)


def test_nothing_is_said_about_an_honest_network(data):
    found = look(logits_of, data)
    assert found.doubts == [] and found.kind == "logits" and found.num_classes == CLASSES
    assert found.logits_fn is logits_of and not found.saturated


def test_a_confident_network_in_float16_is_honest(data):
    """The attacks scale its gradients; a plain gradient is rounded to zero for some images."""

    def confident(x):
        return 3 * tf.cast(tf.cast(logits_of(x), tf.float16), tf.float32)

    assert look(confident, data).doubts == []


@pytest.mark.parametrize(("network", "name", "message"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_is_one_line(data, network, name, message):
    (doubt,) = [d for d in look(network, data).doubts if d.name == name]
    assert message in doubt.message and "\n" not in doubt.message


def test_misleading_gradients_need_several_images_without_noise(data):
    """Random outputs have a doubt of their own."""
    names = [doubt.name for doubt in look(lambda x: noisy(turned(x)), data).doubts]
    assert names == ["random outputs"]
    for count, doubted in ((8, False), (10, True)):
        images, labels = tf.constant(data.images[:count]), tf.constant(data.labels[:count])
        found = free_checks(lambda x: logits_of(turned(x)), images, labels).doubts
        assert ("misleading gradients" in [doubt.name for doubt in found]) == doubted


@pytest.mark.parametrize("levels", [15, 1])
def test_a_rounding_layer_with_a_straight_gradient_misleads_nobody(data, levels):
    """Black and white images stay what they are after a short step."""
    images = np.round(levels * data.images) / levels
    labels = logits_of(images).numpy().argmax(axis=1).astype(np.int32)

    def rounded(x):
        return logits_of(x + tf.stop_gradient(tf.round(15 * x) / 15 - x))

    assert look(rounded, Examples(images, labels)).doubts == []


def test_rounding_in_bfloat16_misleads_nobody(data):
    """A short step is less than the distance of two numbers around the logits."""
    rounded = lambda x: tf.cast(tf.cast(logits_of(x) / 40 + 8, tf.bfloat16), tf.float32)
    labels = rounded(data.images).numpy().argmax(axis=1).astype(np.int32)
    assert look(rounded, Examples(data.images, labels)).doubts == []


def test_outputs_that_depend_on_the_batch_are_no_misleading_gradients(data):
    """Normalised along the wrong axis, half of the images have larger logits and a lower loss."""
    found = look(lambda x: 30 * tf.math.l2_normalize(logits_of(x), axis=0), data)
    assert [doubt.name for doubt in found.doubts] == ["outputs depend on the batch"]


def test_a_model_that_refuses_nan_is_not_shown_any(data):
    def without_finite_gradient(x):
        tf.debugging.assert_less_equal(x, 1.0)
        logits = logits_of(x)
        return logits + tf.sqrt(0 * logits)

    found = look(without_finite_gradient, data)
    assert [doubt.name for doubt in found.doubts] == ["zero gradients"]


def test_a_range_that_is_hardly_better_is_not_named(data):
    """Random features are a little better on images of more contrast."""

    def guesses(x):
        raw = tf.reduce_max(x) > 1
        logits = logits_of(tf.where(raw, x / 255, x))
        right = tf.range(tf.shape(x)[0]) < tf.where(raw, 31, 28)
        return tf.where(right[:, None], logits, tf.roll(logits, 1, axis=1))

    (doubt,) = [d for d in look(guesses, data).doubts if d.name == "near chance"]
    assert "28.0 % is near chance" in doubt.message
    assert doubt.message.endswith("the order of the classes")


def outcomes(outputs_fn, data):
    options = {"batch_size": 64, "say": None, "progress": False}
    evaluation = ClassifierEvaluation(outputs_fn, data, **options)
    names = ["pgd5", "cw5", "apgd-dlr"]
    found = evaluation.run([Column(n, presets.get(n, ThreatModel(0.08))) for n in names])
    return np.array([outcome.correct for outcome in found])


@pytest.fixture(scope="module")
def honest(data):
    return outcomes(logits_of, data)


@pytest.mark.parametrize("end", [tf.nn.softmax, tf.nn.sigmoid])
def test_the_same_network_gives_the_same_number_with_and_without_its_end(data, honest, end):
    assert 0.05 < honest.mean() < 0.95
    np.testing.assert_array_equal(outcomes(lambda x: end(logits_of(x)), data), honest)


@pytest.mark.parametrize("end", [tf.nn.softmax, tf.nn.sigmoid])
def test_what_is_attacked_are_the_logits_before_the_end(data, end):
    """Up to a constant of each image, which no loss sees."""
    checked, images = look(lambda x: end(logits_of(x)), data), tf.constant(data.images)
    apart = (checked.logits_fn(images) - logits_of(images)).numpy()
    # Close to 1 a probability in float32 has lost digits.
    np.testing.assert_allclose(apart - apart[:, :1], 0, atol=1e-3)


@pytest.mark.usefixtures("eager")
def test_square_follows_where_probabilities_are_saturated(data, monkeypatch):
    monkeypatch.setitem(auto_attack.MEMBERS, "square", lambda ball: Square(ball, queries=9))
    said = []
    evaluation = ClassifierEvaluation(
        lambda x: tf.nn.softmax(400 * logits_of(x)), data, say=said.append, progress=False
    )
    ball = ThreatModel(0.1)
    found = evaluation.run([Column("fgsm", presets.get("fgsm", ball))])
    assert [outcome.name for outcome in found] == ["fgsm", "square"]
    assert found[1].correct.sum() < found[0].correct.sum() and found[1].after == ("clean", "fgsm")
    np.testing.assert_array_equal(evaluation.worst_case(ball).correct, found[1].correct)
    assert sum(line.startswith("warning: the probabilities of") for line in said) == 1


def test_the_looks_cost_no_more_than_the_shortest_attack_on_one_batch(data):
    """FGSM shows a batch forward and backward, and forward again; a backward pass counts twice."""
    shown = []

    @tf.custom_gradient
    def counted(x):
        shown.append(len(x))

        def gradient(upstream):
            shown.append(2 * len(x))
            return upstream

        return tf.identity(x), gradient

    look(lambda x: logits_of(counted(x)), data)
    assert sum(shown) <= 4 * min(COUNT, 250)


def test_one_batch_size_and_few_images(data):
    sizes = []

    def fixed(x):
        sizes.append(len(x))
        return logits_of(x)

    rows = looked_at(5, 32, fixed_size=True)
    images, labels = tf.constant(data.images[rows]), tf.constant(data.labels[rows])
    assert free_checks(fixed, images, labels, fixed_size=True).doubts == []
    assert set(sizes) == {32}
    assert free_checks(logits_of, images[:1], labels[:1]).doubts == []


def test_looked_at_are_images_of_all_classes():
    rows = looked_at(10_000, 250)
    assert len(rows) == 100 and rows[0] == 0 and rows[-1] == 9999
    assert looked_at(3, 250).tolist() == [0, 1, 2] and len(looked_at(100, 8)) == 8


def test_a_keras_model_with_batch_normalisation_in_training_mode(data):
    image = keras.Input((SIDE, SIDE, 1))
    features = keras.layers.BatchNormalization()(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Dense(CLASSES)(features))
    names = [d.name for d in look(lambda x: 9 * model(x, training=True), data).doubts]
    assert "outputs depend on the batch" in names
    assert "outputs depend on the batch" not in [
        d.name for d in look(lambda x: 9 * model(x, training=False), data).doubts
    ]
