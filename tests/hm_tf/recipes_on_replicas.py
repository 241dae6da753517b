"""Builds every recipe of hm_tf on 1 to 8 replicas, trains on 2; run by test_recipes_on_replicas.py.

A process of its own, since the processor can be divided only before TensorFlow runs anything.
"""

import pathlib

from hm_tf.defenses.build import DefenseSettings
from hm_tf.options import TRAIN
from hm_tf.train import main
from robust_tf import data
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.training import strategy

MOST = 8
RECIPES = pathlib.Path(__file__).parents[2] / "flags" / "hm"


def dataset(recipe):
    return [] if "--dataset=" in recipe.read_text() else [f"--dataset={recipe.stem}"]


def check(recipe, devices):
    options = TRAIN.parse([f"--flagfile={recipe}", *dataset(recipe)])
    batch, shard = options.batch_size, options.shard_size
    chosen = strategy.make_strategy("auto", batch, devices, shard)
    replicas = chosen.num_replicas_in_sync
    assert replicas == max(k for k in range(1, devices + 1) if batch % (k * shard) == 0)
    settings = DefenseSettings.read(options.defense, options.arguments)
    assert settings.shards(replicas) * replicas * shard == batch
    if devices == MOST:  # to build one takes long
        with chosen.scope():  # the network of the recipe is not at stake
            network = get_embedding("digits_embedding", data.open("digits").info)
            assert settings.build(network, replicas).shards == settings.shards(replicas)
    return replicas


def start(workdir):
    """Runs in the process."""
    strategy._divide_processor(MOST)
    strategy._divide_processor = lambda count: None
    for path in sorted(RECIPES.glob("*.flags")):
        print(path.stem, [check(path, devices) for devices in (1, 2, 3, 4, MOST)])
    smoke = [f"--flagfile={RECIPES / 'smoke.flags'}", "--train_steps=2", "--checkpoint_every=2"]
    where = ["--logical_cpus=2", f"--workdir={workdir}"]
    return main(["train", *smoke, *where])
