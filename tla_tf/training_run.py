"""One training run of a classifier, from resolved flags to an evaluated run folder."""

import keras
import tensorflow as tf

from robust_tf.data import pipeline
from robust_tf.data import registry as data
from robust_tf.errors import UserError
from robust_tf.evaluation.records import read_results
from robust_tf.models import registry as models
from robust_tf.reports.accuracy_table import plain_table
from robust_tf.training import fitting, strategy
from robust_tf.training.run_folder import RunFolder
from tla_tf import config
from tla_tf.classifier_evaluation import evaluate, presets_of
from tla_tf.finished_run import FinishedRun

REQUIRED = (
    *("model", "batch_size", "train_steps", "checkpoint_every", "optimizer", "learning_rates"),
    *("weight_decay", "eps", "attack_steps", "lambda_triplet", "margin", "lambda_norm", "pool"),
    *("pool_mul", "eval_attacks"),
)


class TrainingRun:
    """Train, evaluate on the test split, report.

    Args:
        options: resolved flags of `tla_tf.flags.define_train`.
    """

    def __init__(self, options):
        self.options = options
        self.flags = {name: options[name].value for name in options if name not in _ABSL_FLAGS}
        default = f"runs/tla_tf/{options.dataset}/{options.method}/seed{options.seed}"
        self.folder = RunFolder(options.workdir or default)

    def check(self):
        """Raises the `UserError` of every mistake that can be known before the work starts."""
        options = self.options
        self.info = data.get(options.dataset)
        for name in REQUIRED:
            if getattr(options, name) is None:
                raise UserError(
                    f"--{name} has no value: flags/tla/{options.dataset}.flags lacks it; give the flag"
                )
        # First, since the processor cannot be divided any more once TensorFlow has run anything.
        self.strategy = strategy.make_strategy(
            options.strategy, options.batch_size, options.logical_cpus
        )
        self.threat_model = config.threat_model(options.eps, options.norm)
        config.check(options)
        presets_of(options.eval_attacks, self.threat_model)
        self.folder.check(self.flags)
        self.start_from = None
        if options.init_from is not None:
            self.start_from = FinishedRun(options.init_from)
            self.start_from.require(dataset=options.dataset, model=options.model)
        self.model = self._build()
        self.place = data.describe(options.dataset, options.data_dir)

    def finished(self):
        """Whether the folder holds the final weights of as many updates, and their results."""
        if not (self.folder.final_weights.exists() and self.folder.results.exists()):
            return False
        return self.folder.read_flags()["train_steps"] >= self.options.train_steps

    def plan(self):
        """Returns what is ahead, in a few lines."""
        options = self.options
        images = options.train_steps * options.batch_size
        parameters = sum(
            v.shape.num_elements() for v in map(_tensor, self.model.trainable_variables)
        )
        return (
            f"{self.place}\n"
            f"{options.method} on {options.model} ({parameters:,} parameters), "
            f"{self.threat_model}\n"
            f"{options.train_steps:,} updates of {options.batch_size} images "
            f"({images:,} images, {images / self.info.splits['train']:.1f} passes), checkpoint every "
            f"{options.checkpoint_every:,}; Keras counts these stretches as epochs\n"
            f"run folder {self.folder.path}"
        )

    def train(self):
        """Trains and evaluates; returns False where Ctrl-C stopped it."""
        options = self.options
        examples = self._load("train", options.limit_train)
        test = self._load("test", options.limit_test)
        self.folder.claim(self.flags)

        def batches(start, stop):
            return pipeline.train_dataset(
                examples,
                self.info,
                batch_size=options.batch_size,
                seed=options.seed,
                start_step=start,
                stop_step=stop,
                streams=config.streams(options),
                pool_mul=options.pool_mul,
            )

        done = fitting.train(
            self.model,
            batches,
            self.folder,
            train_steps=options.train_steps,
            checkpoint_every=options.checkpoint_every,
        )
        if done < options.train_steps:
            print(f"stopped after step {done}; the same command goes on from there")
            return False
        self.folder.save_final(self.model.network)
        evaluate(
            FinishedRun(self.folder.path),
            test,
            options.eval_attacks,
            self.threat_model,
            batch_size=options.eval_batch_size,
            seed=options.seed,
            precision="float32",
            xla=strategy.use_xla(options.jit_compile),
        )
        return True

    def report(self):
        """Returns the table of results and what to do next."""
        folder = self.folder.path
        return (
            f"\n{plain_table(read_results(self.folder.results))}\n\n"
            f"run folder: {folder}\n"
            f"next: python -m tla_tf.evaluate --workdir={folder} --attacks=pgd20,20pgd20,cw30,mim40\n"
            f"      python -m tla_tf.export --workdir={folder} --export_dir={folder / 'export'}\n"
            f"      python -m tla_tf.train --dataset=cifar10 --flagfile=flags/tla/cifar10_quick.flags"
        )

    def _load(self, split, limit):
        return data.load(self.options.dataset, split, self.options.data_dir, limit)

    def _build(self):
        options = self.options
        keras.utils.set_random_seed(options.seed)
        # The same seed gives the same weights only if every kernel adds up in a fixed order.
        tf.config.experimental.enable_op_determinism()
        keras.config.set_dtype_policy(options.precision)
        with self.strategy.scope():
            network = models.get(options.model, self.info)
            if self.start_from is not None:
                self.start_from.load_weights(network)
            model = config.defense(options, network)
            xla = strategy.use_xla(options.jit_compile)
            model.compile(optimizer=config.optimizer(options), jit_compile=xla)
        return model


_ABSL_FLAGS = ("flagfile", "undefok")


def _tensor(variable):
    return tf.convert_to_tensor(variable.value)
