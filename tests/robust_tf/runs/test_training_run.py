"""What a run does around its training."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from robust_tf.runs.training_run import execute
from robust_tf.training.workers import Worker


@pytest.mark.parametrize("index", [0, 1])
def test_of_several_workers_the_chief_alone_reads_the_results(index):
    """On NFS another one may not see them yet, and has no output."""
    read = []
    run = SimpleNamespace(
        strategy=tf.distribute.get_strategy(),
        worker=Worker(index, 2),
        check=lambda: None,
        finished=lambda: True,
        report=lambda: read.append(1),
    )
    assert execute(run) == 0 and len(read) == (index == 0)
