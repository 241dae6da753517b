import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.randomness import Shard

WORD = 2**64 - 1


def mix(bits):
    """SplitMix64's mix of one Python integer, from the paper."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & WORD
    return bits ^ (bits >> 31)


def draws(key, count):
    """The first `count` 64-bit numbers of the stream of one key, two Python integers."""
    state = mix((int(key[0]) & 0xFFFFFFFF) | ((int(key[1]) & 0xFFFFFFFF) << 32))
    return [mix(state + 0x9E3779B97F4A7C15 * (c + 1) & WORD) for c in range(count)]


def test_splitmix_reference():
    """The first outputs of java.util.SplittableRandom's generator for the state 0."""
    assert [mix(0x9E3779B97F4A7C15 * c & WORD) for c in (1, 2)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
    ]


def test_numbers_of_training_are_those_of_tensorflow():
    key = randomness.key(3, 7, "noise")
    for ours, theirs, rounding in (
        (randomness.uniform, tf.random.stateless_uniform, 0),
        (randomness.normal, tf.random.stateless_normal, 4e-6),
    ):
        for shape in ([6, 5], [3, 5, 7]):
            everything = theirs(shape, key)
            np.testing.assert_allclose(ours(shape, key), everything, rtol=0, atol=rounding)
            rows = ours([shape[0] // 3, *shape[1:]], key, Shard(2, 3))
            np.testing.assert_allclose(rows, everything[-rows.shape[0] :], rtol=0, atol=rounding)
    folded = tf.random.experimental.stateless_fold_in(key, 4)
    np.testing.assert_array_equal(randomness.fold_in(key, 4), folded)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_numbers_of_training_in_other_types_are_those_of_tensorflow(dtype):
    key = randomness.key(3, 7, "noise")
    uniform = tf.random.stateless_uniform([60, 50], key, dtype=dtype)
    np.testing.assert_array_equal(randomness.uniform([60, 50], key, dtype=dtype), uniform)
    ours = randomness.normal([60, 50], key, dtype=dtype)
    theirs = tf.random.stateless_normal([60, 50], key, dtype=dtype)
    assert ours.dtype == dtype
    np.testing.assert_allclose(*(tf.cast(drawn, tf.float64) for drawn in (ours, theirs)), rtol=0.01)


@pytest.mark.parametrize("keyed", [randomness.key, randomness.image_keys])
def test_xla_draws_the_same_numbers(keyed):
    """Its own `stateless_uniform` and `stateless_fold_in` draw others: the second, of some keys."""
    key = keyed(3, 7, "noise") if keyed is randomness.key else keyed(3, "noise", tf.range(6))

    def draw(key):
        keys = [randomness.fold_in(randomness.fold_in(key, n), 1) for n in range(4)]
        uniform = [randomness.uniform([6, 5], key) for key in keys]
        return keys, uniform, [randomness.normal([6, 5], key) for key in keys]

    keys, uniform, normal = draw(key)
    xla_keys, xla_uniform, xla_normal = tf.function(draw, jit_compile=True)(key)
    np.testing.assert_array_equal(xla_keys, keys)
    np.testing.assert_array_equal(xla_uniform, uniform)
    np.testing.assert_allclose(xla_normal, normal, rtol=0, atol=4e-6)


@pytest.mark.parametrize("bits, dtype", [(24, tf.float32), (53, tf.float64), (11, tf.float16)])
def test_numbers_of_an_image_by_a_naive_loop(bits, dtype):
    keys = randomness.image_keys(3, "start", [0, 5, 70000])
    expected = [[(d >> (64 - bits)) * 2.0**-bits for d in draws(key, 6)] for key in keys.numpy()]
    drawn = randomness.uniform([3, 2, 3], keys, dtype=dtype)
    np.testing.assert_array_equal(tf.reshape(drawn, [3, 6]), np.array(expected, dtype.name))


def test_an_image_keeps_its_numbers_in_any_batch():
    keys = randomness.image_keys(0, "start", tf.range(8))
    np.testing.assert_array_equal(keys[5], randomness.key(0, 5, "start"))
    for draw in (randomness.uniform, randomness.normal):
        alone = draw([1, 4], keys[5:6])
        np.testing.assert_allclose(draw([8, 4], keys)[5:6], alone, rtol=1e-6)
        np.testing.assert_allclose(draw([8, 4], keys[::-1])[2:3], alone, rtol=1e-6)
        sharded = draw([4, 4], keys[4:], Shard(1, 2))
        np.testing.assert_allclose(sharded[1:2], alone, rtol=1e-6)


def test_folded_keys_of_images_by_a_naive_loop():
    keys = randomness.image_keys(1, "restarts", [4, 9])
    folded = randomness.fold_in(keys, 2)
    words = [draws(key, 3)[2] for key in keys.numpy()]
    expected = np.array([[word & 0xFFFFFFFF, word >> 32] for word in words], "uint32")
    np.testing.assert_array_equal(folded, expected.view("int32"))
    np.testing.assert_array_equal(tf.function(randomness.fold_in)(keys, tf.constant(2)), folded)


def test_numbers_of_images_are_uniform_normal_and_independent():
    keys = randomness.image_keys(0, "start", tf.range(200))
    count = 2000
    u, z = randomness.uniform([200, count], keys).numpy(), randomness.normal([200, count], keys)
    shares = np.histogram(u, bins=20, range=(0, 1))[0] / u.size
    np.testing.assert_allclose(shares, 1 / 20, rtol=0.03)
    assert abs(np.mean(z)) < 0.01 and abs(np.std(z) - 1) < 0.01
    again = [randomness.uniform([200, count], randomness.fold_in(keys, n)) for n in (0, 1)]
    other = randomness.uniform([200, count], randomness.image_keys(1, "start", tf.range(200)))
    correlations = np.corrcoef(np.concatenate([u, *again, other]))
    # 5.5 standard deviations of the correlation of independent rows.
    assert np.abs(correlations - np.eye(800)).max() < 5.5 / count**0.5


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("per_image", [False, True])
def test_a_batch_size_known_only_at_run_time(per_image, jit_compile):
    def draw(x, keys):
        return randomness.uniform(randomness.shape_of(x), keys if per_image else keys[0])

    specs = [tf.TensorSpec([None, 4, 3]), tf.TensorSpec([None, 2], tf.int32)]
    x, keys = tf.zeros([5, 4, 3]), randomness.image_keys(0, "start", tf.range(5))
    drawn = tf.function(draw, input_signature=specs, jit_compile=jit_compile)(x, keys)
    assert drawn.shape == x.shape
    np.testing.assert_array_equal(drawn, draw(x, keys))
