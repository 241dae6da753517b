"""The step of HM relative to its bare passes or with a part of a recipe; the saturation stop.

The timed step makes all attack steps. The saving of the stop is counted in updates of real training
from the start. With --rows instead: a step with a part of a recipe, relative to HM.
Images are random where no --data_dir is given. Other flags: hm_tf.train --help.
"""

import functools

import numpy as np
import tensorflow as tf

from benchmarks import recipe, rounds
from benchmarks.passes import input_gradient_pass, training_pass, waiting, weighted_sum
from robust_tf.attacks.objective import Objective
from robust_tf.errors import UserError
from robust_tf.reports.table import markdown
from robust_tf.training.strategy import use_xla

# Row -> flags on top of the recipe.
PARTS = {
    "hm": {},
    "hm, --ema": {"ema": 0.9995},
    "hm, --awp": {"awp": 0.005},
    "hm, fgsm_rs": {"inner_attack": "fgsm_rs"},
    "hm, n_fgsm": {"inner_attack": "n_fgsm"},
    "hm, apgd": {"inner_attack": "apgd"},
    "act": {"defense": "act"},
}


def run(options):
    """Measures and prints."""
    if options.defense != "hm":
        raise UserError(f"--defense={options.defense}: this measures --defense=hm only")
    training = recipe.training_run(options)
    examples = recipe.examples(training, options)
    print(
        f"{training.settings.defense.title}, {options.model}, {options.batch_size} images of "
        f"{options.dataset} {examples.image_shape[0]} pixels wide, eta = {options.pgd_steps}, "
        f"{options.precision}; {rounds.conditions(options.rounds)}"
    )
    batch = next(recipe.batches(training, examples))
    if options.rows is not None:
        _show_parts(options, batch)
        return
    model = _model(training, stops=False)
    step = recipe.train_step(model, training)
    rows = {"step": lambda: step(batch)}
    rows.update(_bare_rows(options, model.network, batch["image"]))
    seconds = rounds.measure(rows, options.rounds)
    rounds.show_times(seconds)
    bare = sum(_passes(options, name) * row for name, row in seconds.items() if name != "step")
    rounds.show_ratios([("HM step / its bare passes", seconds["step"] / bare, "<= 1.10")])
    if recipe.has_data(options):
        _show_saving(training, examples, options.updates)


def _show_parts(options, batch):
    """Prints what a step costs with each part of --rows, relative to HM."""
    parts = {"hm": {}} | recipe.rows(options, PARTS)
    parts = {name: recipe.training_run(options.changed(**values)) for name, values in parts.items()}
    steps = {
        name: functools.partial(recipe.train_step(_model(part, stops=False), part), batch)
        for name, part in parts.items()
    }
    seconds = {
        title: rounds.measure(steps, options.rounds, clock=clock)
        for title, clock in rounds.CLOCKS.items()
    }
    rounds.show_times(seconds["wall time"])
    cost = {name: part.passes().forwards for name, part in parts.items()}
    rows = [
        (name, f"{cost[name]:g}", f"{cost[name] / cost['hm']:.2f}")
        + tuple(rounds.quartiles(found[name] / found["hm"]) for found in seconds.values())
        for name in parts
    ]
    header = ("relative to hm", "forward passes of the batch", "by passes", *seconds)
    print(f"\n{markdown(header, rows)}")


def _model(training, stops):
    model = recipe.model_of(training)
    model.attack = ObservedAttack(model.attack, stops)
    return model


def _bare_rows(options, network, images):
    """The passes that no implementation can do without; m triplets have 3m images."""
    xla = use_xla(options.jit_compile)
    stacked = tf.concat([images, images[: len(images) // 2]], axis=0)
    gradient = input_gradient_pass(
        lambda x: weighted_sum(network(x, training=False)["embedding"]), xla
    )
    train = training_pass(network, "embedding", xla)
    embed = tf.function(lambda x: network(x, training=False), jit_compile=xla, autograph=False)
    rows = {
        "input-gradient pass, 3m images": waiting(gradient, stacked),
        "training pass, 3m images": waiting(train, stacked),
    }
    if options.ics:
        rows["clean forward pass"] = waiting(embed, images)
        rows["clean training pass"] = waiting(train, images)
    return rows


def _passes(options, name):
    return options.pgd_steps if name.startswith("input-gradient") else 1


def _show_saving(training, examples, updates):
    """Trains from the start and counts the steps that the attacks make."""
    model, batches = _model(training, stops=True), recipe.batches(training, examples)
    update = recipe.train_step(model, training)
    made = []
    for _ in range(updates):
        before = int(model.attack.steps)
        update(next(batches))
        made.append(int(model.attack.steps) - before)
    made = np.array(made)
    steps = model.attack.attack.steps
    saved = 1 - made / steps
    print(
        f"\nSaturation stop, updates 1 to {updates} of training: "
        f"{100 * saved.mean():.1f} % of the attack steps saved "
        f"({100 * saved[len(saved) // 2 :].mean():.1f} % in the second half), "
        f"{100 * np.mean(made < steps):.1f} % of the updates end early"
    )


class ObservedAttack:
    """A PGD that counts its steps, and may ignore the rule that ends its loop early.

    Args:
        attack: PGD.
        stops: whether the rule of the objective holds.

    Attributes:
        steps: tf.Variable, all steps made so far.
    """

    def __init__(self, attack, stops=True):
        self.attack = attack
        self.stops = stops
        self.steps = tf.Variable(0, dtype=tf.int64)

    def ascend(self, objective, x, **settings):
        return self.attack.ascend(_Observed(objective, self.steps, self.stops), x, **settings)


class _Observed(Objective):
    """Adds 1 to a variable whenever the values of another objective are computed."""

    def __init__(self, objective, steps, stops):
        self.objective = objective
        self.steps = steps
        self.saturated = objective.saturated if stops else None
        self.groups = objective.groups

    def __call__(self, x):
        self.steps.assign_add(1)
        return self.objective(x)
