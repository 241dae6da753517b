"""How many times faster the pipeline feeds, batch after batch, than a step of tla_tf consumes."""

from benchmarks import rounds
from benchmarks.recipe_flags import defense, examples_and_info, optimizer
from benchmarks.tla_batches import BATCHES, batches, input_row, network
from benchmarks.train_step import train_step


def run(options):
    """Measures and prints."""
    examples, info = examples_and_info(options)
    source = batches(options, examples, info)
    model = defense(options).build(network(options, info))
    step = train_step(model, optimizer(options), options)
    batch = next(source)
    print(
        f"{options.method}, {options.model}, {options.batch_size} images of {options.dataset}; "
        f"{rounds.conditions(options.rounds)}"
    )
    seconds = rounds.measure(
        {"step": lambda: step(batch), "batches": input_row(source)}, options.rounds
    )
    seconds["batch"] = seconds.pop("batches") / BATCHES
    rounds.show_times(seconds)
    rounds.show_ratios([("step / batch", seconds["step"] / seconds["batch"], ">= 5")])
