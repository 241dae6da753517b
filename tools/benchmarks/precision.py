"""A train step of AT in float32 against mixed_bfloat16.

Images are random where no --data_dir is given. Other flags: tla_tf.train --help.
"""

import functools

from benchmarks import recipe, rounds


def run(options):
    """Measures and prints."""
    examples, rows = recipe.examples(recipe.training_run(options), options), {}
    for precision in ("float32", "mixed_bfloat16"):
        row = recipe.training_run(options.changed(method="at", precision=precision))
        step = recipe.train_step(recipe.model_of(row), row)
        rows[precision] = functools.partial(step, next(recipe.batches(row, examples)))
    print(f"at, {recipe.title(options)}; {rounds.conditions(options.rounds)}")
    seconds = rounds.measure(rows, options.rounds)
    rounds.show_times(seconds)
    ratio = seconds["float32"] / seconds["mixed_bfloat16"]
    rounds.show_ratios([("float32 / mixed_bfloat16", ratio, ">= 1.8")])
