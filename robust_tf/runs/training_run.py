"""One training run, from resolved flags to an evaluated run folder."""

import math

import keras
import tensorflow as tf

from robust_tf import data
from robust_tf.cli.command_line import INTERRUPTED
from robust_tf.cli.flag_values import typed
from robust_tf.errors import UserError
from robust_tf.runs import fitting
from robust_tf.runs.run_folder import RunFolder
from robust_tf.training import strategy

_ABSL_FLAGS = ("flagfile", "undefok")


class TrainingRun:
    """Checks, trains, measures and reports; a package says what it trains.

    A subclass sets `package`, `recipe` and `required`, and overrides the methods below the line.

    Args:
        options: resolved absl flags; those that every package has are read here (dataset, seed,
            workdir, batch_size, train_steps, checkpoint_every, devices, precision, limits).
        name: of the method, a folder of the default run folder.
    """

    package: str  # for the default run folder and for messages
    recipe: str  # subfolder of flags/
    required: tuple  # flags that the recipe must give
    train_classes = None  # names of those that train, where --train_classes says so

    def __init__(self, options, name):
        self.options = options
        self.flags = {flag: options[flag].value for flag in options if flag not in _ABSL_FLAGS}
        default = f"runs/{self.package}/{options.dataset}/{name}/seed{options.seed}"
        self.folder = RunFolder(options.workdir or default)

    def check(self):
        """Raises the `UserError` of every mistake that can be known before the work starts."""
        options = self.options
        self.dataset = data.of_run(self.flags)
        self.info = self.dataset.info
        self.dataset.require_read(typed(options))
        self.check_data()
        for flag in self.required:
            if getattr(options, flag) is None:
                recipe = f"flags/{self.recipe}/{options.dataset}.flags"
                raise UserError(
                    f"--{flag} has no value: there is no recipe {recipe} that gives it. Choose a "
                    "--dataset with a recipe, or give this and the other flags of a recipe"
                )
        # First, since the processor cannot be divided any more once TensorFlow has run anything.
        self.strategy = strategy.make_strategy(
            options.strategy, options.batch_size, options.logical_cpus
        )
        self.check_method()
        self.folder.check(self.flags)
        self.folder.require_classes(self.info.class_names)
        self.folder.require_images(self.info.identity)
        self.folder.require_train_classes(self.train_classes)
        self.model = self._build()

    def finished(self):
        """Whether the folder holds the final weights of as many updates, and all their results."""
        if not self.folder.final_weights.exists():
            return False
        steps = self.folder.read_flags()["train_steps"]
        return steps >= self.options.train_steps and not self.unmeasured()

    def plan(self):
        """Returns what is ahead, in a few lines; reads the images, to count them."""
        options = self.options
        images = options.train_steps * options.batch_size
        passes = images / len(self.images()[0])
        parameters = sum(math.prod(v.shape) for v in self.model.trainable_variables)
        replicas = self.strategy.num_replicas_in_sync
        shared = f" on {replicas} replicas" if replicas > 1 else ""
        return (
            f"{self.describe_data()}\n"
            f"{self.title()} on {options.model} ({parameters:,} parameters)\n"
            f"{options.train_steps:,} updates of {options.batch_size} images{shared} "
            f"({images:,} images, {passes:.1f} passes), checkpoint every "
            f"{options.checkpoint_every:,}; Keras counts these stretches as epochs\n"
            f"run folder {self.folder.path}"
        )

    def train(self):
        """Trains and measures what is left of it; returns False where Ctrl-C stopped training."""
        options = self.options
        examples, test, held_out = self.images()
        known = self.info.class_names, self.info.identity, self.train_classes
        self.folder.claim(self.flags, *known)
        if not self.folder.final_weights.exists():
            done = fitting.train(
                self.model,
                lambda start, stop: self.batches(examples, start, stop),
                self.folder,
                train_steps=options.train_steps,
                checkpoint_every=options.checkpoint_every,
                monitors=self.monitors(held_out),
            )
            if done < options.train_steps:
                print(f"stopped after step {done}; the same command goes on from there")
                return False
            self.keep_final(held_out)
        self.measure(test)
        return True

    def require_data(self):
        """Raises UserError if the data would have to be downloaded and cannot be."""
        self.dataset.require()

    def describe_data(self):
        """Returns a line on the data: how many images are used, and from where."""
        parts = zip(("train", "test", "held-out"), self.images(), strict=True)
        counts = ", ".join(f"{name} {len(part):,}" for name, part in parts if part is not None)
        return self.dataset.describe(f"{counts} images")

    def announce_data(self):
        """Says, before the images are read, where from, if that may take long."""
        if line := self.dataset.announce():
            print(line, flush=True)

    def _build(self):
        options = self.options
        keras.utils.set_random_seed(options.seed)
        # The same seed gives the same weights only if every kernel adds up in a fixed order.
        tf.config.experimental.enable_op_determinism()
        keras.config.set_dtype_policy(options.precision)
        with self.strategy.scope():
            model = self.build_model()
            xla = strategy.use_xla(options.jit_compile)
            model.compile(optimizer=self.build_optimizer(), jit_compile=xla)
        return model

    # What a package says.

    def check_data(self):
        """Raises `UserError` if it is no data set for what the package trains."""

    def check_method(self):
        """Raises the `UserError` of the flags of the method."""
        raise NotImplementedError

    def build_model(self):
        """Returns the `AdversarialModel`, not compiled."""
        raise NotImplementedError

    def build_optimizer(self):
        """Returns the Keras optimiser."""
        raise NotImplementedError

    def title(self):
        """Returns method and threat model in a few words."""
        raise NotImplementedError

    def batches(self, examples, start, stop):
        """Returns the dataset of the batches of the updates start..stop-1."""
        raise NotImplementedError

    def images(self):
        """Returns (training examples, test examples, held-out examples or None), read once."""
        raise NotImplementedError

    def monitors(self, held_out):
        """Returns the `Monitor`s that add to the logs of an interval."""
        del held_out
        return []

    def keep_final(self, held_out):
        """Writes final.keras."""
        del held_out
        self.folder.save_network(self.model.network, self.folder.final_weights)

    def unmeasured(self):
        """Returns the names of the measurements that the folder has no result of yet."""
        raise NotImplementedError

    def measure(self, test):
        """Measures what is `unmeasured` on the test images and appends the results."""
        raise NotImplementedError

    def report(self):
        """Returns the results as a table, the run folder, and what to do next."""
        raise NotImplementedError


def execute(run):
    """Does the whole run, or what is left of it; returns the exit code."""
    run.check()
    if run.finished():
        print("finished before: this is its result; for a new run name another --workdir")
    else:
        run.require_data()
        run.announce_data()
        print(run.plan())
        if not run.train():
            return INTERRUPTED
    print(run.report())
    return 0
