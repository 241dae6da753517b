import tensorflow as tf

from robust_tf.models.batch_norm import batch_norm


def test_statistics_are_global_exactly_where_there_are_several_replicas(monkeypatch):
    assert not batch_norm().synchronized

    two = type("TwoReplicas", (), {"num_replicas_in_sync": 2})
    monkeypatch.setattr(tf.distribute, "get_strategy", two)
    assert batch_norm().synchronized
