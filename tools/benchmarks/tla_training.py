"""A train step of every method of tla_tf relative to AT, and what it is made of."""

import numpy as np
import tensorflow as tf

from benchmarks import device_rate, rounds
from benchmarks.passes import input_gradient_pass, waiting
from benchmarks.recipe_flags import defense, examples_and_info, optimizer
from benchmarks.tla_batches import BATCHES, batches, input_row, network
from benchmarks.tla_mining import mining
from benchmarks.train_step import train_step
from robust_tf import randomness
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.reports.table import markdown
from robust_tf.training.passes import forward_flop
from robust_tf.training.strategy import use_xla
from tla_tf.defenses.passes import passes

# Row -> flags on top of the recipe.
METHODS = {
    "um": {"method": "um"},
    "at": {"method": "at"},
    "at, --ema": {"method": "at", "ema": 0.9995},
    "at, --awp": {"method": "at", "awp": 0.005},
    "trades": {"method": "trades"},
    "alp": {"method": "alp"},
    "tla, pool=batch": {"method": "tla", "pool": "batch"},
    "tla_rn, pool=batch": {"method": "tla_rn", "pool": "batch"},
    "tla_sa, pool=batch": {"method": "tla_sa", "pool": "batch"},
    "tla, pool=separate x 1": {"method": "tla", "pool": "separate", "pool_mul": 1},
    "tla, pool=separate x 10": {"method": "tla", "pool": "separate", "pool_mul": 10},
}
GOALS = {"tla, pool=batch": "<= 1.25"}


def run(options):
    """Measures and prints."""
    examples, info = examples_and_info(options)
    print(
        f"{options.model}, {options.batch_size} images of {options.dataset}, "
        f"{options.attack_steps} attack steps; {rounds.conditions(options.rounds)}"
    )
    rows, methods = {}, METHODS
    if options.rows is not None:
        methods = {name: METHODS[name] for name in options.rows.split(";")}
    for name, values in methods.items():
        rows.update(_rows_of(name, options.changed(**values), examples, info))
    rows["attack"], rows["bare pass"] = _attack_rows(options, examples, info)
    seconds = rounds.measure(rows, options.rounds)
    for name in methods:
        seconds[f"{name}: input"] /= BATCHES
    rounds.show_times(seconds)
    header = ("method", "relative to at", "goal", "attack", "mining", "input")
    print(f"\n{markdown(header, [_shares(name, seconds) for name in methods])}")
    ratio = seconds["attack"] / options.attack_steps / seconds["bare pass"]
    rounds.show_ratios([("PGD step / bare pass", ratio, "<= 1.10")])
    rate = options.changed(method="at")
    flop = passes(defense(rate)).forwards * forward_flop(network(rate, info)) * rate.batch_size
    xla = use_xla(options.jit_compile)
    print(f"\nat on {device_rate.line(flop, np.median(seconds['at']), options.precision, xla)}")


def _rows_of(name, options, examples, info):
    """The step of a method, and its input and mining by themselves."""
    source = batches(options, examples, info)
    batch = next(source)
    model = defense(options).build(network(options, info))
    step = train_step(model, optimizer(options), options)
    rows = {name: lambda: step(batch)}
    rows[f"{name}: input"] = input_row(source)
    if options.method.startswith("tla"):
        bystander = defense(options).build(network(options, info))
        rows[f"{name}: mining"] = mining(bystander, batch, use_xla(options.jit_compile))
    return rows


def _attack_rows(options, examples, info):
    """The attack of one train step, and one bare pass on the same images."""
    options = options.changed(method="at")
    classifier, attack = network(options, info), defense(options).inner_attack
    batch = next(batches(options, examples, info))
    xla = use_xla(options.jit_compile)
    objective = CrossEntropy(
        lambda images: classifier(images, training=False)["logits"], batch["label"]
    )

    @tf.function(jit_compile=xla, autograph=False)
    def craft(images):
        return attack.ascend(objective, images, key=randomness.key(0, 0, "benchmark"))

    bare = input_gradient_pass(objective, xla)
    return waiting(craft, batch["image"]), waiting(bare, batch["image"])


def _shares(name, seconds):
    step = seconds[name]
    attack = seconds["attack"] if name != "um" else np.zeros_like(step)
    found = seconds.get(f"{name}: mining", np.zeros_like(step))
    parts = (attack / step, found / step, seconds[f"{name}: input"] / step)
    relative = rounds.quartiles(step / seconds["at"])
    return name, relative, GOALS.get(name, ""), *map(rounds.quartiles, parts)
