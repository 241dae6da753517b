"""The training run of a classifier."""

import functools

import numpy as np

from robust_tf.data import pipeline
from robust_tf.errors import UserError
from robust_tf.models import registry as models
from robust_tf.reports.result_tables import accuracy_table
from robust_tf.results.result import read_results
from robust_tf.runs.fine_tuning import start_from
from robust_tf.runs.training_run import TrainingRun
from robust_tf.training.strategy import use_xla
from tla_tf import config
from tla_tf.evaluation.attack_columns import ENSEMBLE, attack_columns
from tla_tf.evaluation.classifier_evaluation import evaluation_of
from tla_tf.evaluation.held_out_images import split_held_out
from tla_tf.evaluation.held_out_monitor import HeldOutMonitor
from tla_tf.finished_run import FinishedRun

# What a finished training proposes.
NEXT_ATTACKS = ("pgd20", "20pgd20", "cw30", "mim40")


class ClassifierTrainingRun(TrainingRun):
    """Trains a defense of the TLA paper and attacks it on the test split.

    Args:
        options: resolved flags of `tla_tf.flags.define_train`.
    """

    package = "tla_tf"
    recipe = "tla"
    required = (
        *("model", "batch_size", "train_steps", "checkpoint_every", "optimizer", "learning_rates"),
        *("weight_decay", "eps", "attack_steps", "lambda_triplet", "margin", "lambda_norm"),
        *("pool", "pool_mul", "eval_attacks"),
    )

    def __init__(self, options):
        config.drop_step_size(options)
        super().__init__(options, options.method)

    def check_data(self):
        if self.info.class_disjoint:
            name = self.options.dataset
            raise UserError(
                f"--dataset={name}: its test images are of other classes than those of training; "
                f"python -m hm_tf.train --dataset={name} learns embeddings"
            )

    def check_method(self):
        options = self.options
        config.check_typed(options)
        config.check_replicas(options, self.strategy.num_replicas_in_sync)
        self.threat_model = config.threat_model(options.eps, options.norm)
        config.check(options)
        self.columns = attack_columns(options.eval_attacks, self.threat_model, options.dataset)

    def build_model(self):
        network = models.get(self.options.model, self.info)
        self._origin = None
        if self.options.init_from is not None:
            self._origin = start_from(network, self.options.init_from)
        return config.defense(self.options, network)

    def build_optimizer(self):
        return config.optimizer(self.options)

    def plan(self):
        lines = [super().plan(), self._origin, self._majority(), *config.notes(self.options)]
        return "\n".join(filter(None, lines))

    def title(self):
        return f"{self.options.method}, {self.threat_model},"

    def batches(self, examples, start, stop):
        return pipeline.train_dataset(
            examples,
            self.info,
            batch_size=self.options.batch_size,
            seed=self.options.seed,
            start_step=start,
            stop_step=stop,
            streams=config.streams(self.options),
            pool_mul=self.options.pool_mul,
        )

    def images(self):
        return self._images

    @functools.cached_property
    def _images(self):
        train, held_out = self.training_images()
        return train, self.dataset.load("test", self.options.limit_test), held_out

    def training_images(self):
        """Returns (training examples, held-out examples or None).

        Held out are images of the official validation split where there is one, otherwise training
        images of every class in proportion.
        """
        options = self.options
        if not options.held_out:
            return self.dataset.load("train", options.limit_train), None
        if "validation" in self.info.splits:
            held_out = self.dataset.load("validation", options.held_out)
            if len(held_out) < options.held_out:
                raise UserError(
                    f"--held_out={options.held_out}: the validation split of {options.dataset} has "
                    f"only {len(held_out):,} images"
                )
            return self.dataset.load("train", options.limit_train), held_out
        train, held_out = split_held_out(self.dataset.load("train", None), options.held_out)
        return train.take(options.limit_train), held_out

    def monitors(self, held_out):
        if held_out is None:
            return []
        settings = {"seed": self.options.seed, "batch_size": self.options.eval_batch_size}
        return [HeldOutMonitor(held_out, self.threat_model, self.folder, **settings)]

    def keep_final(self, held_out):
        """The last network, or the one of --select=best."""
        if self.options.select == "best":
            self.model.network.load_weights(self.folder.best_weights)
        super().keep_final(held_out)
        if held_out is not None:
            seen = [(line["held_out_pgd10"], line["step"]) for line in self.folder.read_metrics()]
            (last, _), (best, step) = seen[-1], max(seen)
            print(
                f"held-out PGD-10: last {100 * last:.2f} %, best {100 * best:.2f} % after step "
                f"{step}; the {self.options.select} network is kept"
            )

    def unmeasured(self):
        measured = {result.attack for result in self._accuracies()}
        return [c for c in self.columns if (c.ensemble or c.name) not in measured]

    def measure(self, test):
        evaluation = evaluation_of(
            FinishedRun(self.folder.path, self.options.data_dir),
            test,
            seed=self.options.seed,
            precision="float32",
            batch_size=self.options.eval_batch_size,
            xla=use_xla(self.options.jit_compile),
        )
        evaluation.run(self.unmeasured())

    def report(self):
        folder, attacks = self.folder.path, ",".join(self._stronger())
        return (
            f"\n{accuracy_table(self._accuracies())}\n\n"
            f"run folder: {folder}\n"
            f"next: python -m tla_tf.evaluate --workdir={folder} --attacks={attacks}\n"
            f"      python -m tla_tf.export --workdir={folder} --export_dir={folder / 'export'}\n"
            "      python -m tla_tf.train --dataset=cifar10 "
            "--flagfile=flags/tla/cifar10_quick.flags  # downloads 162 MB unless TFDS has it"
        )

    def _majority(self):
        """What always answering with one class would reach, where that is far above chance."""
        counts = np.bincount(self.images()[1].labels)
        share = counts.max() / counts.sum()
        if share <= 1 / self.info.num_classes + 0.1:
            return None
        name = self.info.class_names[counts.argmax()]
        return f"{100 * share:.0f} % of the test images are of class {name}: no merit to get as far"

    def _stronger(self):
        """Attacks to go on with, those that are not measured yet."""
        measured = {result.attack for result in self._accuracies()}
        return [name for name in NEXT_ATTACKS if name not in measured] or [ENSEMBLE]

    def _accuracies(self):
        """The accuracies in the folder; it may hold other measurements too."""
        found = read_results(self.folder.results)
        return [result for result in found if result.metric == "accuracy"]
