"""A train step of every method of tla_tf relative to AT, and what it is made of.

Shares of attack, mining and input in the step. Mining is the forward pass of the candidates and the
selection of triplets; the gradient through candidates from the batch counts as training. The input
is made ahead of the step, on other threads. Then a PGD step relative to a bare compiled
forward-plus-input-gradient pass. With a flagfile of flags/hm/: the step of HM, see there.
Images are random where no --data_dir is given. Other flags: tla_tf.train --help.
"""

import numpy as np
import tensorflow as tf

from benchmarks import device_rate, recipe, rounds
from benchmarks.passes import attack_pass, input_gradient_pass, waiting
from robust_tf import randomness
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.models.output_of import output_of
from robust_tf.reports.table import markdown
from robust_tf.training.passes import forward_flop
from robust_tf.training.strategy import use_xla
from tla_tf.defenses.positives import in_batch_positive

# Row -> flags on top of the recipe.
METHODS = {
    "um": {"method": "um"},
    "at": {"method": "at"},
    "at, --ema": {"method": "at", "ema": 0.9995},
    "at, --awp": {"method": "at", "awp": 0.005},
    "at, n_fgsm": {"method": "at", "inner_attack": "n_fgsm"},
    "trades": {"method": "trades"},
    "mart": {"method": "mart"},
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
    examples = recipe.examples(recipe.training_run(options), options)
    print(
        f"{recipe.title(options)}, "
        f"{options.attack_steps} attack steps; {rounds.conditions(options.rounds)}"
    )
    rows, methods = {}, recipe.rows(options, METHODS)
    for name, values in methods.items():
        rows.update(_rows_of(name, options.changed(**values), examples))
    at = recipe.training_run(options.changed(method="at"))
    rows["attack"], rows["bare pass"] = _attack_rows(at, examples)
    seconds = rounds.measure(rows, options.rounds)
    for name in methods:
        seconds[f"{name}: input"] /= recipe.BATCHES
    rounds.show_times(seconds)
    rows = [_shares(name, seconds, options.attack_steps) for name in methods]
    header = ("method", "relative to at", "goal", "attack", "mining", "input")
    print(f"\n{markdown(header, rows)}")
    ratio = seconds["attack"] / options.attack_steps / seconds["bare pass"]
    rounds.show_ratios([("PGD step / bare pass", ratio, "<= 1.10")])
    flop = at.passes().forwards * forward_flop(recipe.network(at)) * options.batch_size
    xla = use_xla(options.jit_compile)
    print(f"\nat on {device_rate.line(flop, np.median(seconds['at']), options.precision, xla)}")


def _rows_of(name, options, examples):
    """The step of a method, and its input and mining by themselves."""
    training = recipe.training_run(options)
    batches = recipe.batches(training, examples)
    batch = next(batches)
    step = recipe.train_step(recipe.model_of(training), training)
    rows = {name: lambda: step(batch)}
    rows[f"{name}: input"] = recipe.input_row(batches)
    if options.method.startswith("tla"):
        bystander = recipe.model_of(training)
        rows[f"{name}: mining"] = mining(bystander, batch, use_xla(options.jit_compile))
    return rows


def _attack_rows(training, examples):
    """The attack of one train step, and one bare pass on the same images."""
    classifier, attack = recipe.network(training), training.settings.defense.inner_attack
    batch = next(recipe.batches(training, examples))
    xla = use_xla(training.settings.jit_compile)
    objective = CrossEntropy(output_of(classifier, "logits"), batch["label"])
    crafted, bare = attack_pass(attack, objective, xla), input_gradient_pass(objective, xla)
    return waiting(crafted, batch["image"]), waiting(bare, batch["image"])


def _shares(name, seconds, steps):
    step = seconds[name]
    # The timed attack is PGD with all steps.
    attack = seconds["attack"] * {"um": 0, "at, n_fgsm": 1 / steps}.get(name, 1)
    found = seconds.get(f"{name}: mining", np.zeros_like(step))
    parts = (attack / step, found / step, seconds[f"{name}: input"] / step)
    relative = rounds.quartiles(step / seconds["at"])
    return name, relative, GOALS.get(name, ""), *map(rounds.quartiles, parts)


def mining(model, batch, xla=False):
    """Returns the call that embeds the candidates and selects positives and negatives.

    Args:
        model: `TripletAdversarial` of its own: its attack is taken away.
        batch: of its pipeline.
        xla: whether it is compiled with XLA.
    """
    model.perturb = lambda batch: batch["image"]
    body = model.craft if model.pool == "separate" else lambda batch: _in_batch(model, batch)
    return waiting(tf.function(body, jit_compile=xla, autograph=False), batch)


def _in_batch(model, batch):
    labels, slots = batch["label"], tf.range(batch["label"].shape[0])
    embeddings = model.network(batch["image"], training=True)["embedding"]
    size = [labels.shape[0], labels.shape[0]]
    noise = randomness.uniform(size, randomness.key(0, 0, "benchmark"))
    negatives = model.negatives(embeddings, labels, embeddings, labels, noise=noise, own_slot=slots)
    return negatives, in_batch_positive(labels, labels, slots, noise)
