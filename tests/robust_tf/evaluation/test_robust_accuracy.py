import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import presets
from robust_tf.errors import RunError
from robust_tf.evaluation.robust_accuracy import compile_attack, correct_predictions
from robust_tf.threat_model import ThreatModel

SIDE = 4


@pytest.fixture
def network():
    """Class 1 where the first pixel is above one half; exact, so that results can be predicted."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    head = keras.layers.Dense(2, name="logits")
    logits = head(keras.layers.Flatten()(image))
    kernel = np.zeros((SIDE * SIDE, 2), np.float32)
    kernel[0] = -1, 1
    head.set_weights([kernel, np.array([0.5, -0.5], np.float32)])
    return keras.Model(image, {"logits": logits}, name="threshold")


def examples(first_pixels, labels=None):
    images = np.full((len(first_pixels), SIDE, SIDE, 1), 0.5, np.float32)
    images[:, 0, 0, 0] = first_pixels
    truth = [int(pixel > 0.5) for pixel in first_pixels]
    return SimpleNamespace(images=images, labels=np.array(truth if labels is None else labels))


@dataclasses.dataclass(frozen=True)
class Ball:
    eps: float = 0.3

    def contains(self, x_adv, x):
        return tf.reduce_all(tf.abs(x_adv - x) <= self.eps + 1e-6, [1, 2, 3])


class Noise:
    """Adds uniform noise, so that restarts differ; remembers the calls made while tracing."""

    steps, step_size, random_start, momentum = 5, 0.1, True, None

    def __init__(self, restarts=1, eps=0.3, reach=None):
        self.restarts, self.threat_model = restarts, Ball(eps)
        self.reach = eps if reach is None else reach
        self.traced = []

    def run(self, objective, x, *, key):
        self.traced.append((objective, x.shape))
        return x + self.reach * (2 * randomness.uniform(x.shape, key) - 1)

    def preset(self):
        def run(logits_fn, x, y, key):
            return self.run((logits_fn, y), x, key=key)

        return SimpleNamespace(name="noise", attack=self, restarts=self.restarts, run=run)


def noise_of(seed, restart, number, batch_size, reach=0.3):
    key = randomness.key(seed, number, f"evaluation, restart {restart}")
    draw = randomness.uniform([batch_size, SIDE, SIDE, 1], key).numpy()
    return reach * (2 * draw[:, 0, 0, 0] - 1)


@pytest.mark.parametrize("batch_size", [3, 8, 20])
def test_clean_predictions_with_a_short_last_batch(network, batch_size):
    data = examples(np.linspace(0.05, 0.95, 8), labels=[0, 1, 0, 0, 1, 1, 0, 1])
    correct = correct_predictions(network, data, batch_size=batch_size)
    assert correct.tolist() == [True, False, True, True, True, True, False, True]


def test_only_what_is_not_stored_draws_a_bar(network, capsys):
    data, outcomes = examples(np.linspace(0.05, 0.95, 8)), {}
    for drawn in (True, False):
        correct_predictions(network, data, batch_size=3, outcomes=outcomes)
        assert ("clean 1/1" in capsys.readouterr().err) == drawn
    del outcomes[0, 2]
    correct_predictions(network, data, batch_size=3, outcomes=outcomes)
    assert "clean 1/1" in capsys.readouterr().err


def test_bytes_are_scaled_to_the_unit_interval(network):
    data = examples([0, 127, 128, 255], labels=[0, 0, 1, 1])
    data.images = data.images.astype(np.uint8)
    assert correct_predictions(network, data, batch_size=4).all()


def test_encoded_files_are_decoded(network):
    pixels = np.zeros((4, SIDE, SIDE, 1), np.uint8)
    pixels[:, 0, 0, 0] = 0, 127, 128, 255
    files = np.array([tf.io.encode_png(image).numpy() for image in pixels], object)
    for labels, expected in (([0, 0, 1, 1], True), ([1, 1, 0, 0], False)):
        data = SimpleNamespace(images=files, labels=np.array(labels))
        assert (correct_predictions(network, data, batch_size=3) == expected).all()


def test_restarts_run_on_what_is_left_and_make_the_union_of_the_mispredictions(network):
    pixels, size, seed, restarts = np.linspace(0.3, 0.7, 10), 4, 5, 3
    data = examples(pixels)
    standing = np.ones(10, bool)
    for restart in range(restarts):
        left = np.flatnonzero(standing)
        for number in range(-(-len(left) // size)):
            rows = left[number * size : (number + 1) * size]
            moved = pixels[rows] + noise_of(seed, restart, number, size)[: len(rows)]
            standing[rows] = (moved > 0.5) == data.labels[rows]

    preset = Noise(restarts).preset()
    found = correct_predictions(network, data, preset, batch_size=size, seed=seed)
    np.testing.assert_array_equal(found, standing)
    one = correct_predictions(network, data, Noise().preset(), batch_size=size, seed=seed)
    assert 0 < found.sum() < one.sum() < 10 and not (found & ~one).any()
    other = correct_predictions(network, data, Noise().preset(), batch_size=size, seed=6)
    assert (one != other).any()


def test_an_attack_may_turn_a_wrong_image_right(network):
    """Robust accuracy counts the attacked image, whatever the clean one was."""
    attack = Noise()
    attack.run = lambda objective, x, key: x + 0.2
    data = examples([0.4], labels=[1])
    assert correct_predictions(network, data, attack.preset(), batch_size=2).all()


def test_everything_is_compiled_once(network):
    attack = Noise(restarts=4)
    correct_predictions(network, examples(np.linspace(0.2, 0.8, 11)), attack.preset(), batch_size=4)
    assert [shape for _, shape in attack.traced] == [(4, SIDE, SIDE, 1)]


@pytest.mark.parametrize(
    "count, batch_size, fixed, expected",
    [
        (300, 250, None, [250, 63]),
        (313, 250, None, [250, 63]),
        (314, 250, None, [250, 250]),
        (40, 100, None, [100]),
        (32, 100, None, [32]),
        (3, 40, None, [32]),
        (3, 32, None, [32]),
        (3, 4, None, [4]),
        (300, 250, 250, [250, 250]),
    ],
)
def test_few_images_are_filled_up_to_a_quarter(network, count, batch_size, fixed, expected):
    shapes, whole = [], compile_attack(network)

    def attack_batch(images, labels, key):
        shapes.append(len(images))
        return whole(images, labels, key)

    network.batch_size = fixed
    data = examples(np.linspace(0.2, 0.8, count))
    correct = correct_predictions(
        network, data, batch_size=batch_size, attack_batch=attack_batch, progress=False
    )
    assert shapes == expected and correct.all() and len(correct) == count


def test_the_attack_gets_the_true_labels(network):
    """Pushing against the label's side of the threshold takes its knowledge."""
    attack = Noise()

    def run(objective, x, key):
        _, labels = objective
        return x + 0.2 * (1 - 2 * tf.cast(tf.reshape(labels, [-1, 1, 1, 1]), x.dtype))

    attack.run = run
    data = examples([0.1, 0.4, 0.9, 0.6, 0.2])
    correct = correct_predictions(network, data, attack.preset(), batch_size=2)
    assert correct.tolist() == [True, False, True, False, True]


def test_the_network_runs_in_inference_mode():
    image = keras.Input((SIDE, SIDE, 1), name="image")
    features = keras.layers.Flatten()(keras.layers.BatchNormalization()(image))
    network = keras.Model(image, {"logits": keras.layers.Dense(2)(features)})
    before = [weight.numpy() for weight in network.weights]
    attack = Noise()
    attack.run = lambda objective, x, key: x + 0.0 * tf.reduce_sum(objective[0](x))
    data = examples([0.1, 0.9, 0.8])
    correct = correct_predictions(network, data, attack.preset(), batch_size=2)

    for weight, old in zip(network.weights, before):
        np.testing.assert_array_equal(weight, old)
    expected = np.argmax(network(data.images, training=False)["logits"], 1) == data.labels
    np.testing.assert_array_equal(correct, expected)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_named_attacks_move_the_threshold_by_eps(network, jit_compile):
    """The network is linear in one pixel, so every attack moves it by exactly eps."""
    data = examples(np.linspace(0.05, 0.95, 10))
    for name in "fgsm", "bim3", "mim3", "cw3", "2pgd3":
        preset = presets.get(name, ThreatModel("0.2"))
        attack_batch = compile_attack(network, preset, jit_compile=jit_compile)
        correct = correct_predictions(
            network, data, preset, batch_size=4, attack_batch=attack_batch
        )
        np.testing.assert_array_equal(correct, np.abs(data.images[:, 0, 0, 0] - 0.5) > 0.2)


@pytest.mark.parametrize("bad, shown", [(1.5, "1.5"), (-0.25, "-0.25"), (np.nan, "nan")])
def test_images_outside_the_unit_interval_are_refused(network, bad, shown):
    with pytest.raises(ValueError, match=rf"in \[0, 1\].*{shown}"):
        correct_predictions(network, examples([0.2, bad]), batch_size=2)


def test_logits_that_are_not_finite_are_named(network):
    network.get_layer("logits").bias.assign([np.nan, 0])
    with pytest.raises(RunError, match="clean: the network's logits of batch 0 are not finite"):
        correct_predictions(network, examples([0.2, 0.9]), batch_size=2)


def test_an_attack_that_leaves_the_ball_is_an_error(network):
    preset = Noise(eps=0.01, reach=0.2).preset()
    with pytest.raises(RunError, match="noise: . images of batch 0 left the ball"):
        correct_predictions(network, examples([0.3, 0.7]), preset, batch_size=2)


def test_progress_shows_the_current_accuracy(network, capsys):
    correct_predictions(network, examples([0.2, 0.9, 0.8, 0.7], [0, 0, 1, 1]), batch_size=2)
    shown = capsys.readouterr().err
    assert "clean 1/1" in shown and "75.00 %" in shown


def test_only_standing_images_are_attacked_and_the_others_are_wrong(network):
    data = examples(np.linspace(0.05, 0.95, 10))
    standing = np.arange(10) % 3 > 0
    counted = []
    attack_batch = compile_attack(network)

    def counting(images, labels, key):
        counted.append(images)
        return attack_batch(images, labels, key)

    correct = correct_predictions(
        network, data, batch_size=3, standing=standing, attack_batch=counting
    )
    np.testing.assert_array_equal(correct, standing)
    shown = np.concatenate(counted)[:6, 0, 0, 0]
    np.testing.assert_array_equal(shown, data.images[standing, 0, 0, 0])


def test_stored_outcomes_are_taken_instead_of_attacking(network):
    data, preset = examples(np.linspace(0.3, 0.7, 10)), Noise(restarts=3).preset()
    outcomes = {}
    whole = correct_predictions(network, data, preset, batch_size=4, outcomes=outcomes)

    def forbidden(*args):
        raise AssertionError("attacked again")

    again = {"batch_size": 4, "attack_batch": forbidden}
    np.testing.assert_array_equal(
        correct_predictions(network, data, preset, outcomes=dict(outcomes), **again), whole
    )
    del outcomes[max(outcomes)]
    rest = correct_predictions(network, data, preset, batch_size=4, outcomes=outcomes)
    np.testing.assert_array_equal(rest, whole)
