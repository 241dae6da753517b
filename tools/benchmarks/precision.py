"""A train step of AT in float32 against mixed_bfloat16."""

import functools

from benchmarks import rounds
from benchmarks.recipe_flags import defense, examples_and_info, optimizer
from benchmarks.tla_batches import batches, network
from benchmarks.train_step import train_step


def run(options):
    """Measures and prints."""
    examples, info = examples_and_info(options)
    rows = {}
    for precision in ("float32", "mixed_bfloat16"):
        row = options.changed(method="at", precision=precision)
        model = defense(row).build(network(row, info))
        batch = next(batches(row, examples, info))
        step = train_step(model, optimizer(row), row)
        rows[precision] = functools.partial(step, batch)
    print(
        f"at, {options.model}, {options.batch_size} images of {options.dataset}; "
        f"{rounds.conditions(options.rounds)}"
    )
    seconds = rounds.measure(rows, options.rounds)
    rounds.show_times(seconds)
    ratio = seconds["float32"] / seconds["mixed_bfloat16"]
    rounds.show_ratios([("float32 / mixed_bfloat16", ratio, ">= 1.8")])
