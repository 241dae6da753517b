import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.training import workers


@pytest.mark.parametrize("index, rows", [(0, [[0, 1], [2, 3]]), (1, [[4, 5], [6, 7]])])
def test_of_two_workers_with_two_devices_each_device_has_its_rows(index, rows, monkeypatch):
    """Which are those of its random draws: replicas are numbered worker by worker."""
    context = SimpleNamespace(input_pipeline_id=index)
    two_by_two = SimpleNamespace(
        num_replicas_in_sync=4,
        extended=SimpleNamespace(worker_devices=["GPU:0", "GPU:1"]),
        distribute_datasets_from_function=lambda of_worker: of_worker(context),
    )
    monkeypatch.setattr(workers, "on_several", lambda strategy: True)
    batches = tf.data.Dataset.from_tensor_slices(tf.reshape(tf.range(16), [2, 8]))
    found = [part.tolist() for part in workers.divided(batches, two_by_two).as_numpy_iterator()]
    assert found == [*rows, *(np.array(rows) + 8).tolist()]


@pytest.mark.parametrize(
    "given, excepted",
    [({}, "a,b"), ({"no_proxy": "x"}, "x,a,b"), ({"no_proxy": "x", "no_grpc_proxy": "y"}, "y,a,b")],
)
def test_a_proxy_is_not_asked_for_workers(monkeypatch, given, excepted):
    cluster = '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "b:2"]}}'
    environment = {"no_proxy": "", "no_grpc_proxy": "", **given, "TF_CONFIG": cluster}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    workers.reach_directly()
    assert os.environ["no_grpc_proxy"] == excepted
