"""The collapse guard: what it calls a collapse, what it does about it, and what it holds out."""

import json
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from hm_tf import train
from hm_tf.defenses.held_out_pairs import split_pairs, watched_pairs
from hm_tf.defenses.spread import spread
from hm_tf.evaluation.collapse_guard import (
    PATIENCE,
    CollapseGuard,
    batch_collapsed,
)
from hm_tf.options import TRAIN, likely_collapse
from robust_tf.data.examples import Examples
from robust_tf.errors import RunError, UserError
from robust_tf.evaluation.retrieval import chance_recall
from robust_tf.runs.checkpoints import Checkpoints, folder_name

EAGER = pytest.mark.usefixtures("eager")

SMOKE = "--flagfile=flags/hm/smoke.flags"


def labelled(labels):
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return Examples(images, np.array(labels, np.int32))


@pytest.fixture
def checkpoints(tmp_path):
    """Checkpoints of the steps 10, 20 and 25."""
    found = Checkpoints(tmp_path / "checkpoints", tf.Module())
    for step in (10, 20, 25):
        path = found.directory / folder_name(step)
        path.mkdir(parents=True)
        (path / "state").write_text(str(step))
    return found


def guarding(checkpoints, **settings):
    guard = CollapseGuard(**{"cause": "my cause", "stop": True, **settings})
    guard.checkpoints = checkpoints
    return guard


def fed(guard, updates, first=21, made=0):
    """Shows a guard the (spread, at_margin) of updates, as running means like Keras, three a look.

    Of these, `made` were made before Ctrl-C came.
    """
    guard.set_model(types.SimpleNamespace(optimizer=types.SimpleNamespace(iterations=first - 1)))
    guard.on_epoch_begin(0)
    means = lambda count: dict(zip(("spread", "at_margin"), np.mean(updates[:count], axis=0)))
    if made:
        guard.on_interval_resumed(made, means(made))
    for number in range(made + 1, len(updates) + 1, 3):
        look = range(number, min(number + 3, len(updates) + 1))
        guard.model.optimizer.iterations += len(look)
        guard.on_updates([means(count) for count in look])


GOOD, BAD = (0.8, 0.1), (0.001, 1.0)


@pytest.mark.parametrize("good, last", [(2, 20), (0, 10)])
def test_a_collapse_stops_the_run_and_the_good_checkpoint_is_the_last(checkpoints, good, last):
    """Update 21 shows the weights of step 20."""
    said = f"collapse: from step {21 + good} .* my cause; .* step {last} is kept"
    with pytest.raises(RunError, match=said):
        fed(guarding(checkpoints), [GOOD] * good + [BAD] * PATIENCE)
    assert checkpoints.steps() == [step for step in (10, 20) if step <= last]


def test_a_checkpoint_that_is_still_being_written_is_not_the_last(checkpoints):
    def publish():
        time.sleep(0.2)
        (checkpoints.directory / folder_name(27)).mkdir()

    checkpoints._published = checkpoints._thread.submit(publish)
    with pytest.raises(RunError, match="step 20 is kept"):
        fed(guarding(checkpoints), [GOOD] * 2 + [BAD] * PATIENCE)
    checkpoints.wait()
    assert checkpoints.steps() == [10, 20]


def test_a_collapse_in_an_interval_that_goes_on_after_ctrl_c(checkpoints):
    with pytest.raises(RunError, match="from step 21 .* step 10 is kept"):
        fed(guarding(checkpoints), [GOOD] * 30 + [BAD] * PATIENCE, made=30)


def test_a_warning_comes_once_and_keeps_a_copy(checkpoints):
    guard = guarding(checkpoints, stop=False)
    with pytest.warns(UserWarning, match="from step 24 on") as caught:
        fed(guard, [GOOD] * 3 + [BAD] * PATIENCE * 3 + [GOOD] + [BAD] * PATIENCE)
    assert len(caught) == 1
    kept = checkpoints.directory / "before-collapse-00000020"
    assert (kept / "state").read_text() == "20"
    assert checkpoints.steps() == [10, 20, 25]


@pytest.mark.parametrize(
    "updates",
    [
        [GOOD] * 40,
        [BAD] * (PATIENCE - 1) + [GOOD] + [BAD] * (PATIENCE - 1),
        [(0.001, 0.5)] * 40,  # near one another, but in the right order
        [(0.8, 1.0)] * 40,
    ],
)
def test_what_is_no_collapse(updates, checkpoints, recwarn):
    fed(guarding(checkpoints), updates)
    assert not recwarn.list


def test_a_collapse_from_the_start_has_another_cause(checkpoints):
    with pytest.raises(RunError, match="step 1 on .* initial weights; there is no checkpoint"):
        fed(guarding(checkpoints), [BAD] * PATIENCE, first=1)


def test_a_collapse_on_replicas(checkpoints):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        optimizer = keras.optimizers.SGD()
    optimizer.iterations.assign(20 + PATIENCE)
    guard = guarding(checkpoints)
    guard.set_model(types.SimpleNamespace(optimizer=optimizer))
    guard.on_epoch_begin(0)
    with pytest.raises(RunError, match="from step 21 on .* step 10 is kept"):
        guard.on_updates([dict(zip(("spread", "at_margin"), BAD))] * PATIENCE)


def test_thresholds_and_chance():
    assert (
        batch_collapsed(0.0, 1.0)
        and not batch_collapsed(0.06, 1.0)
        and not batch_collapsed(0.0, 0.8)
    )
    assert chance_recall(np.array([0, 0, 1, 1])) == pytest.approx(1 / 3)
    assert chance_recall(np.array([0, 1, 2])) == chance_recall(np.array([3])) == 0


@pytest.mark.parametrize("groups", [1, 2])
def test_spread_is_the_mean_distance_to_the_others(groups):
    rows = tf.random.stateless_normal([8, 3], [0, 1], dtype=tf.float64)
    rows = tf.math.l2_normalize(rows, axis=1)
    expected = []
    for part in np.split(rows.numpy(), groups):
        distances = np.linalg.norm(part[:, None] - part[None], axis=-1)
        expected.extend(distances.sum(axis=1) / (len(part) - 1))
    np.testing.assert_allclose(spread(rows, groups), expected, atol=1e-9)
    np.testing.assert_allclose(spread(0.01 * rows, groups), expected, atol=1e-9)  # unnormalized
    assert np.max(spread(tf.tile(rows[:1], [8, 1]), groups)) < 1e-6
    np.testing.assert_allclose(spread(rows[:groups], groups), 0, atol=1e-6)  # alone in its group


@pytest.mark.parametrize(
    "defense, destination, text",
    [
        ("minmax", "lga", "min-max"),
        ("hm", "2", "--destination=2"),
        ("hm", "gb:softhard", "too hard"),
        ("hm", "-0.1", "--learning_rates=0.1"),
        ("hm", "lga", "--learning_rates=0.1"),
        ("act", None, "--learning_rates=0.1"),
    ],
)
def test_likely_collapse(defense, destination, text):
    manipulation = [f"--destination={destination}"] if defense == "hm" else []
    options = TRAIN.parse([f"--defense={defense}", *manipulation, "--learning_rates=0.1"])
    assert text in likely_collapse(options)


def test_pairs_are_held_out_of_all_classes():
    examples = labelled([0, 0, 0, 0, 0, 2, 2, 2, 5, 5])
    train_part, held_out = split_pairs(examples, 6)
    np.testing.assert_array_equal(held_out.labels, [0, 0, 2, 2, 5, 5])
    np.testing.assert_array_equal(train_part.labels, [0, 0, 0, 2])
    together = np.concatenate([train_part.images, held_out.images]).ravel()
    assert sorted(together) == list(range(10))
    assert split_pairs(examples, 0) == (examples, None)
    for count in (1, 2, 9, 10, 1000):
        with pytest.raises(UserError, match="both sides need two classes"):
            split_pairs(examples, count)


def test_watched_are_the_first_pairs_of_all_classes():
    labels = [0, 0, 0, 0, 0, 2, 2, 2, 5, 5]
    watched = watched_pairs(labelled(labels), 8)
    np.testing.assert_array_equal(watched.labels, [0, 0, 0, 0, 2, 2, 5, 5])
    np.testing.assert_array_equal(watched.images.ravel(), [0, 1, 2, 3, 5, 6, 8, 9])
    assert len(watched_pairs(labelled(labels), 256)) == 10


@pytest.mark.parametrize("labels", [[3], [3, 3, 3], [0, 1, 2]], ids=str)
def test_nothing_is_watched_where_r1_says_nothing(labels, recwarn):
    watched = watched_pairs(labelled(labels), 256)
    CollapseGuard(cause="c", stop=True, watched=watched).on_interval_end({})
    assert watched is None and not recwarn.list


class Constant(keras.layers.Layer):
    def call(self, images):
        return tf.ones([tf.shape(images)[0], 2]) * 0.5**0.5


@pytest.mark.parametrize("kind, said", [("held_out", "held-out"), ("training", "training")])
def test_recall_at_chance_is_reported(kind, said, checkpoints):
    image = keras.Input([1, 1, 1])
    network = keras.Model(image, {"embedding": Constant()(image)})
    watched = labelled([0, 1] * 20)
    guard = guarding(checkpoints, watched=watched, kind=kind, batch_size=8)
    optimizer = types.SimpleNamespace(iterations=20)
    guard.set_model(types.SimpleNamespace(network=network, optimizer=optimizer))
    logs = {}
    guard.on_interval_end({})  # the first interval may have been too short
    optimizer.iterations = 25
    text = f"step 25 R@1 of 40 {said} images is 0.0 %, no better than chance .48.7 %"
    # What was saved at step 20 is no better than what is here.
    with pytest.raises(RunError, match=f"{text}.* checkpoint of step 10 is kept"):
        guard.on_interval_end(logs)
    assert logs == {f"{kind}_recall": 0.0, f"{kind}_spread": 0.0}


@pytest.fixture
def hard():
    """HM towards the highest hardness, fast: it collapses within ten updates on the digits."""
    return [SMOKE, "--destination=2", "--learning_rates=0.03", "--ics=0", "--train_steps=24"]


def test_a_collapsing_run_is_stopped(hard, tmp_path, capsys):
    flags = [*hard, "--pgd_steps=4", "--checkpoint_every=1", "--on_collapse=stop"]
    assert train.main(["train", *flags, f"--workdir={tmp_path / 'run'}"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1 and "--destination=2, too hard" in lines[0]
    assert not (tmp_path / "run/final.keras").exists()


def test_without_held_out_images_training_images_are_watched(finished_smoke):
    lines = (finished_smoke / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2 and all(json.loads(line)["training_recall"] > 0.5 for line in lines)


@EAGER
def test_a_healthy_run_with_held_out_images(tmp_path, recwarn):
    folder = tmp_path / "run"
    flags = ["--train_steps=2", "--checkpoint_every=1", "--held_out=60", "--on_collapse=stop"]
    assert train.main(["train", SMOKE, *flags, f"--workdir={folder}"]) == 0
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(line["held_out_recall"] > 0.5 and line["spread"] > 0.1 for line in lines)
    assert not [w for w in recwarn.list if "collapse" in str(w.message)]
