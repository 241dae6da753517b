"""The moving variance of TensorFlow 1, against numpy's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.errors import UserError
from robust_tf.models import registry
from robust_tf.models.unbiased_batch_norm import UnbiasedBatchNorm, with_unbiased_variance

INFO = DatasetInfo("x", (8, 8, 1), tuple("abc"), {}, "")


@pytest.mark.parametrize("shape", [(50, 3), (5, 4, 2, 3)])
def test_moving_variance(shape):
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    layer = UnbiasedBatchNorm(momentum=0.9)
    found = tf.function(lambda x: layer(x, training=True))(inputs).numpy()
    rows = inputs.reshape(-1, 3)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * rows.var(0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * rows.mean(0), rtol=1e-5, atol=1e-7)
    normal = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + layer.epsilon)
    np.testing.assert_allclose(found.reshape(-1, 3), normal, atol=1e-5)


def test_inference_leaves_the_statistics():
    layer = UnbiasedBatchNorm()
    layer(np.ones((4, 3), np.float32), training=False)
    assert np.all(layer.moving_variance == 1) and np.all(layer.moving_mean == 0)


def test_two_replicas_count_the_values_of_both():
    class Context:
        num_replicas_in_sync = 2

    layer = UnbiasedBatchNorm(synchronized=True)
    layer.build((4, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.distribute, "get_replica_context", lambda: Context)
        assert float(layer._count(tf.zeros([4, 3]))) == 8


def test_a_network_keeps_its_weights_and_is_saved(tmp_path):
    network = registry.get("digits_cnn", INFO)
    copy = with_unbiased_variance(network)
    other = registry.get("digits_cnn", INFO, "unbiased")
    assert [type(layer) for layer in other.layers] == [type(layer) for layer in copy.layers]
    kinds = [layer for layer in copy.layers if isinstance(layer, UnbiasedBatchNorm)]
    assert len(kinds) == 3 and copy.name == network.name
    image = np.random.default_rng(0).random((2, 8, 8, 1)).astype(np.float32)
    for output, value in network(image).items():
        np.testing.assert_array_equal(copy(image)[output], value)
    copy.save(tmp_path / "copy.keras")
    loaded = keras.saving.load_model(tmp_path / "copy.keras")
    np.testing.assert_array_equal(loaded(image)["logits"], network(image)["logits"])


def test_a_network_without_batch_norm_is_refused():
    info = DatasetInfo("x", (28, 28, 1), tuple("abc"), {}, "")
    with pytest.raises(UserError, match="lenet_small has no batch norm"):
        with_unbiased_variance(registry.get("lenet_small", info))
