"""Speed as ratios that were measured side by side in one run.

    python tools/benchmark.py training --flagfile=flags/tla/cifar10_quick.flags
    python tools/benchmark.py input --dataset=cifar10 --data_dir=DIR
    python tools/benchmark.py precision --flagfile=flags/tla/cifar10_quick.flags --model=wrn_10_4

training: time of a train step of each method relative to AT, of a PGD step relative to one bare
compiled forward-plus-input-gradient pass, and the share of the attack in a step. input: how many
times faster the pipeline feeds, batch after batch, than the step of the recipe consumes. precision: a
step of AT in float32 against mixed_bfloat16. Images are random where no --data_dir is given; all
other flags are those of tla_tf.train. Every round times each row once, in turn, and a ratio is the
median of the rounds' ratios, so that a drift of the machine cancels.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from absl import flags as absl_flags

from robust_tf import randomness, recipe
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.data import pipeline, registry
from robust_tf.data.examples import Examples
from robust_tf.models import registry as models
from robust_tf.training.strategy import use_xla
from tla_tf import config, flags

ROUNDS = 15
BATCHES = 20  # in a row: more than the pipeline has ready while nobody asks
# Row -> flags on top of the recipe.
METHODS = {
    "um": ["--method=um"],
    "at": ["--method=at"],
    "alp": ["--method=alp"],
    "tla, pool=batch": ["--method=tla", "--pool=batch"],
    "tla, pool=separate x 1": ["--method=tla", "--pool=separate", "--pool_mul=1"],
    "tla, pool=separate x 10": ["--method=tla", "--pool=separate", "--pool_mul=10"],
}


PRECISIONS = {
    "float32": ["--method=at", "--precision=float32"],
    "mixed_bfloat16": ["--method=at", "--precision=mixed_bfloat16"],
}


def main(arguments):
    what, *given = arguments or [""]
    if what not in ("training", "input", "precision"):
        sys.exit("usage: python tools/benchmark.py training | input | precision [flags of train]")
    options = _options(given)
    examples = _examples(options)
    print(
        f"{options.model}, {options.batch_size} images of {options.dataset}, "
        f"{options.attack_steps} attack steps; medians of {ROUNDS} rounds, "
        f"{os.cpu_count()} processors"
    )
    variants = {"training": METHODS, "precision": PRECISIONS, "input": {"step": []}}[what]
    rows = {}
    for name, extra in variants.items():
        row_options = _options([*given, *extra])
        dataset = iter(_dataset(row_options, examples))
        rows[name] = _train_step(row_options, next(dataset))
    if what == "training":
        rows["attack of a step"], rows["bare pass"] = _attack_and_bare_pass(options, examples)
    if what == "input":
        rows[f"{BATCHES} batches"] = lambda: [next(dataset) for _ in range(BATCHES)]
    times = _measure(rows)
    for line in _ratios(what, times, options.attack_steps):
        print(line)


def _options(given):
    options = absl_flags.FlagValues()
    flags.define_train(options)

    def dataset_of(arguments):
        parsed = absl_flags.FlagValues()
        flags.define_train(parsed)
        parsed(["benchmark", *arguments])
        return parsed.dataset

    options(["benchmark", *recipe.combine(given, dataset_of, "tla")])
    return options


def _examples(options):
    info = registry.get(options.dataset)
    if options.data_dir or options.dataset == "digits":
        return registry.load(options.dataset, "train", options.data_dir)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, [2000, *info.image_shape], dtype=np.uint8)
    return Examples(images, random.integers(0, info.num_classes, 2000).astype(np.int32))


def _dataset(options, examples):
    return pipeline.train_dataset(
        examples,
        registry.get(options.dataset),
        batch_size=options.batch_size,
        seed=0,
        stop_step=10**6,
        streams=config.streams(options),
        pool_mul=options.pool_mul,
    )


def _network(options):
    keras.config.set_dtype_policy(options.precision)
    return models.get(options.model, registry.get(options.dataset))


def _train_step(options, batch):
    model = config.defense(options, _network(options))
    model.compile(optimizer=config.optimizer(options))
    step = tf.function(model.train_step, jit_compile=use_xla(options.jit_compile), autograph=False)
    return lambda: float(step(batch)["loss"])


def _attack_and_bare_pass(options, examples):
    """The attack of one train step, and one forward-plus-input-gradient pass on the same images."""
    network, attack = _network(options), config.inner_attack(options)
    batch = next(iter(_dataset(options, examples)))

    def objective(labels):
        return CrossEntropy(lambda images: network(images, training=False)["logits"], labels)

    @tf.function(jit_compile=use_xla(options.jit_compile))
    def craft(images, labels):
        return attack(objective(labels), images, key=randomness.key(0, 0, "benchmark"))

    @tf.function(jit_compile=use_xla(options.jit_compile))
    def bare(images, labels):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            loss = tf.reduce_sum(objective(labels)(images))
        return tape.gradient(loss, images)

    inputs = batch["image"], batch["label"]
    return lambda: craft(*inputs).numpy(), lambda: bare(*inputs).numpy()


def _measure(rows):
    """Prints the table of times; returns row -> milliseconds [rounds]."""
    for run in rows.values():  # compiles
        run(), run()
    times = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, run in rows.items():
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start))
    times = {name: np.array(values) for name, values in times.items()}
    print("\n| | ms, median | min to max |\n|---|---|---|")
    for name, values in times.items():
        print(f"| {name} | {np.median(values):.1f} | {values.min():.1f} to {values.max():.1f} |")
    return times


def _ratios(what, times, attack_steps):
    yield "\n| ratio | median (quartiles) | goal |\n|---|---|---|"
    if what == "input":
        batch = times[f"{BATCHES} batches"] / BATCHES
        yield f"| step / batch | {_ratio(times['step'], batch)} | >= 5 |"
    elif what == "precision":
        ratio = _ratio(times["float32"], times["mixed_bfloat16"])
        yield f"| float32 / mixed_bfloat16 | {ratio} | >= 1.8 |"
    else:
        for name in METHODS:
            goal = "<= 1.25" if name == "tla, pool=batch" else ""
            yield f"| {name} / at | {_ratio(times[name], times['at'])} | {goal} |"
        attack = times["attack of a step"]
        yield f"| attack / step of at | {_ratio(attack, times['at'])} | |"
        step = _ratio(attack / attack_steps, times["bare pass"])
        yield f"| PGD step / bare pass | {step} | <= 1.10 |"


def _ratio(numerator, denominator):
    """Median and quartiles of the rounds' ratios."""
    low, middle, high = np.percentile(numerator / denominator, [25, 50, 75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main(sys.argv[1:])
