import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.data.examples import Examples
from robust_tf.errors import RunError
from robust_tf.evaluation import attack_loop as module
from robust_tf.evaluation.attack_loop import attack_loop, first_success
from robust_tf.results.cache import ResultsCache

N = 150
IDENTITY = {"attack": "toy"}


@pytest.fixture(scope="module")
def examples():
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, [N, 2, 3, 1], np.uint8)
    return Examples(images, draw.integers(0, 4, N).astype(np.int32))


def toy_batch(images, rows, keys):
    """Adds noise to the mean pixel of an image: a value of image and key alone."""
    noise = tf.cast(keys[:, 0] % 1009 + keys[:, 1], tf.float32) / 2000
    value = tf.reduce_mean(images, [1, 2, 3]) + noise
    return {"value": value, "active": value < 0.8, "row": rows, "pixels": images[:, 0, 0]}


@pytest.fixture(scope="module")
def compiled():
    return CompiledBatch(toy_batch)


@pytest.fixture(scope="module")
def expected(examples, compiled):
    """Every image alone, the naive loop."""
    single = [attack_loop(compiled, examples, [row], title="toy", restarts=3) for row in range(N)]
    return [
        {name: np.concatenate([runs[restart][name] for runs in single]) for name in single[0][0]}
        for restart in range(3)
    ]


def assert_same(runs, expected):
    for run, whole in zip(runs, expected, strict=True):
        for name, values in run.items():
            np.testing.assert_array_equal(values, whole[name][run["rows"]], strict=True)


@pytest.mark.parametrize("batch_size", [1, 40, 149, 250])
def test_outputs_depend_neither_on_batch_size_nor_on_order(
    examples, compiled, expected, batch_size
):
    options = {"title": "toy", "restarts": 3, "batch_size": batch_size}
    if batch_size > 1:  # one by one is what is expected
        assert_same(attack_loop(compiled, examples, **options), expected)
    some = np.random.default_rng(1).permutation(N)[:70]
    found = attack_loop(compiled, examples, some, **options)
    assert_same(found, expected)
    assert (found[0]["row"] == some).all()


def test_seed_and_restart_change_the_keys(examples, compiled, expected):
    other = attack_loop(compiled, examples, title="toy", seed=1)
    values = [other[0]["value"], *(run["value"] for run in expected)]
    assert len({value.tobytes() for value in values}) == 4


def test_later_restarts_attack_what_is_active_and_the_first_success_is_kept(
    examples, compiled, expected
):
    runs = attack_loop(compiled, examples, title="toy", restarts=3, active="active", batch_size=64)
    assert_same(runs, expected)
    still = np.arange(N)
    for run in runs:
        np.testing.assert_array_equal(run["rows"], still)
        still = still[run["active"]]
    assert 0 < len(still) < len(runs[1]["rows"]) < N
    merged = first_success(runs, "active")
    for row in range(N):
        first = next((r for r in expected if not r["active"][row]), expected[0])
        assert merged["value"][row] == first["value"][row]
        assert merged["active"][row] == first["active"][row]


def test_no_restart_follows_when_no_image_is_active(examples):
    def ending(images, rows, keys):
        return {"active": rows < 0}

    assert len(attack_loop(ending, examples, title="toy", restarts=5, active="active")) == 1
    assert attack_loop(ending, examples, [], title="toy") == []


def test_batches_have_two_shapes_or_the_one_that_the_network_takes(examples):
    def shapes(count, **options):
        seen = []

        def attack_batch(images, rows, keys):
            seen.append(images.shape[0])
            return {"row": rows}

        attack_loop(attack_batch, examples, np.arange(count), title="toy", **options)
        return seen

    assert shapes(150, batch_size=140) == [140, 35]
    assert shapes(150, batch_size=100) == [100]
    assert shapes(150, batch_size=64) == [64, 32]
    assert shapes(20, batch_size=100) == [20]
    assert shapes(5, batch_size=100, fixed_size=True) == [100]


def test_a_killed_evaluation_goes_on_with_other_batches(
    examples, compiled, expected, tmp_path, monkeypatch
):
    whole, left = module._checked, [3]

    def killed(*args):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return whole(*args)

    options = {"title": "toy", "restarts": 2, "active": "active"}
    monkeypatch.setattr(module, "_checked", killed)
    with pytest.raises(KeyboardInterrupt):
        cache = ResultsCache(N, tmp_path, IDENTITY)
        attack_loop(compiled, examples, batch_size=40, cache=cache, **options)
    monkeypatch.setattr(module, "_checked", whole)
    cache = ResultsCache(N, tmp_path, IDENTITY)
    runs = attack_loop(compiled, examples, batch_size=64, cache=cache, **options)
    assert cache.added == N - 120 + len(runs[1]["rows"])
    for run, values in zip(runs, expected[:2], strict=True):
        np.testing.assert_array_equal(run["value"], values["value"][run["rows"]])
    again = ResultsCache(N, tmp_path, IDENTITY)
    stored = attack_loop(_forbidden, examples, cache=again, **options)
    assert again.added == 0
    for run, other in zip(stored, runs, strict=True):
        for name, values in run.items():
            np.testing.assert_array_equal(values, other[name], strict=True)


def _forbidden(images, rows, keys):
    raise AssertionError("a stored image was attacked")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("value", "not finite"),
        ("finite", "not finite"),
        ("inside", "1 of 30 .* left the ball .* or are not finite, as after a gradient that"),
    ],
)
def test_outputs_that_mean_nothing_stop_the_evaluation(examples, name, message):
    def attack_batch(images, rows, keys):
        bad = rows == 7
        value = tf.where(bad, float("nan"), 1.0) if name == "value" else ~bad
        return {name: value, "row": rows}

    with pytest.raises(RunError, match=message):
        attack_loop(attack_batch, examples, np.arange(30), title="toy")


def test_encoded_images_are_those_decoded(examples, compiled, expected):
    files = np.array([tf.io.encode_png(image).numpy() for image in examples.images], object)
    encoded = Examples(files, examples.labels, encoded_shape=(2, 3, 1))
    assert_same(attack_loop(compiled, encoded, title="toy"), expected[:1])
