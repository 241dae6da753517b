"""How many times faster the pipeline feeds, batch after batch, than a step of tla_tf consumes.

Images are random where no --data_dir is given. Other flags: tla_tf.train --help.
"""

from benchmarks import recipe, rounds


def run(options):
    """Measures and prints."""
    training = recipe.training_run(options)
    batches = recipe.batches(training, recipe.examples(training, options))
    step = recipe.train_step(recipe.model_of(training), training)
    batch = next(batches)
    print(f"{options.method}, {recipe.title(options)}; {rounds.conditions(options.rounds)}")
    rows = {"step": lambda: step(batch), "batches": recipe.input_row(batches)}
    seconds = rounds.measure(rows, options.rounds)
    seconds["batch"] = seconds.pop("batches") / recipe.BATCHES
    rounds.show_times(seconds)
    rounds.show_ratios([("step / batch", seconds["step"] / seconds["batch"], ">= 5")])
