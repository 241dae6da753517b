"""Attacks on a classifier against bare passes, against cleverhans, and in bfloat16; peak memory.

PGD-20 with restarts on images that are still correct against the same work through cleverhans. On
the networks of --workdir=RUN[,RUN2], finished runs of tla_tf.train, the second a defended one;
without it on two that are trained here with the flags of tla_tf.train.
"""

from benchmarks import recipe, restarts, rounds
from benchmarks.classifiers import classifiers, in_bfloat16
from benchmarks.passes import attack_pass, input_gradient_pass, waiting
from benchmarks.peak_memory import HOW, mebibytes, peak_memory
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.models.output_of import output_of


def run(options):
    """Measures and prints."""
    found = classifiers(options, train=options.restarts > 0)
    _measure_steps(found[0], options)
    if options.restarts:
        restarts.measure(found, options)


def _measure_steps(classifier, options):
    """One run of PGD on one batch, by us and by cleverhans, against one pass."""
    flags = classifier.options
    print(
        f"{classifier.name}, {recipe.title(flags)}, "
        f"{flags.attack_steps} attack steps; {rounds.conditions(options.rounds)}"
    )
    batch = _batch(classifier, options)
    rows = {}
    attack = recipe.training_run(flags.changed(method="at")).settings.defense.inner_attack
    networks = {"float32": classifier.network, "bfloat16": in_bfloat16(classifier)}
    for precision, network in networks.items():
        rows.update(_rows(attack, network, batch, precision))
    print(f"\nPeak memory of the first call, compilation included, {HOW}:")
    for name, row in rows.items():
        print(f"{name}: {mebibytes(peak_memory(row))}")
    seconds = rounds.measure(rows, options.rounds)
    rounds.show_times(seconds)
    rounds.show_ratios(_ratios(seconds, flags.attack_steps))


def _batch(classifier, options):
    """A training batch of the run; from random images where there are no others."""
    flags = classifier.options
    flags = flags.changed(data_dir=options.data_dir or flags.data_dir)
    training = recipe.training_run(flags)
    return next(recipe.batches(training, recipe.examples(training, flags)))


def _rows(attack, network, batch, precision):
    """Bare pass, PGD and cleverhans' PGD; the latter in float32 only."""
    images, labels = batch["image"], batch["label"]
    logits_fn = output_of(network, "logits")
    objective = CrossEntropy(logits_fn, labels)
    rows = {
        f"bare pass, {precision}": waiting(input_gradient_pass(objective), images),
        f"PGD, {precision}": waiting(attack_pass(attack, objective), images),
    }
    if precision == "float32":
        theirs = CleverhansAttack(attack.threat_model, "bim", attack.steps, attack.step_size)
        rows["PGD, cleverhans"] = waiting(theirs.perturb, logits_fn, images, labels)
    return rows


def _ratios(seconds, steps):
    bare, ours, theirs = (
        seconds[name] for name in ("bare pass, float32", "PGD, float32", "PGD, cleverhans")
    )
    return [
        ("PGD step / bare pass", ours / steps / bare, "<= 1.10"),
        (
            "PGD step / bare pass, bfloat16",
            seconds["PGD, bfloat16"] / steps / seconds["bare pass, bfloat16"],
            "<= 1.10",
        ),
        ("cleverhans' PGD / ours", theirs / ours, ""),
        ("PGD in float32 / in bfloat16", ours / seconds["PGD, bfloat16"], ">= 2"),
    ]
