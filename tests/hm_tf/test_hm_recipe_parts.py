"""Parts of a recipe that the paper leaves out: each changes what an update computes."""

import functools

import keras
import numpy as np
import pytest
from small_embedding import small_images, small_network

from hm_tf.options import TRAIN
from hm_tf.train import training_run

pytestmark = pytest.mark.usefixtures("eager")


@functools.cache
def updated(*flags):
    """The weights after two updates with batch norm, and their averages."""
    options = TRAIN.parse(["--batch_size=12", "--shard_size=12", "--pgd_steps=1", *flags])
    settings = training_run(options).settings
    model = settings.defense.build(small_network([keras.layers.BatchNormalization()]))
    model.compile(optimizer=settings.make_optimizer())
    examples = small_images(12)
    order = np.argsort(examples.labels, kind="stable")
    images, labels = examples.images[order] / 255.0, examples.labels[order]
    model.fit(images, labels, batch_size=12, epochs=2, shuffle=False, verbose=0)
    return np.concatenate([np.ravel(value) for value in model.network.get_weights()])


@pytest.mark.parametrize(
    "flag, defense",
    [
        ("--awp=0.1", "hm"),
        ("--awp=0.1", "act"),
        ("--eps_warmup_steps=5", "hm"),
        ("--eps_warmup_steps=5", "act"),
        # Of the optimizer, whatever the defense.
        ("--ema=0.5", "act"),
        ("--schedule=onecycle", "act"),
    ],
)
def test_read(flag, defense):
    given = [f"--defense={defense}", *(["--ics=0"] if defense == "act" else [])]
    assert np.abs(updated(*given, flag) - updated(*given)).max() > 1e-6
