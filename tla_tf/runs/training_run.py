"""The training run of a classifier."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from robust_tf.data import pipeline
from robust_tf.errors import UserError
from robust_tf.models import registry as models
from robust_tf.reports.result_tables import accuracy_table
from robust_tf.results.result import read_results
from robust_tf.runs.training_run import TrainingRun
from robust_tf.runs.training_settings import TrainingSettings
from tla_tf.defenses.passes import passes
from tla_tf.evaluation.attack_columns import ENSEMBLE, attack_columns
from tla_tf.evaluation.clean_accuracy_monitor import CleanAccuracyMonitor
from tla_tf.evaluation.held_out_images import split_held_out
from tla_tf.evaluation.held_out_monitor import HeldOutMonitor
from tla_tf.evaluation.run_evaluation import RunEvaluation
from tla_tf.runs.finished_run import FinishedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierSettings(TrainingSettings):
    """The settings of the training of a classifier.

    Attributes:
        bn_variance: "biased" or "unbiased" moving variance of batch norm.
        pool_mul: batches of candidates per update where the candidates are separate images.
        cutmix: factor of CutMix; 0 for none.
        select: "last", or "best" for the network with the best held-out accuracy under PGD-10.
        eval_attacks: names of the attacks after training.
        likely_masking: what in these settings most often masks gradients, in words.
    """

    bn_variance: str
    pool_mul: int | None
    cutmix: float
    select: str
    eval_attacks: Sequence[str]
    likely_masking: str


class ClassifierTrainingRun(TrainingRun):
    """Trains a defense of the TLA paper and attacks it on the test split.

    Args:
        dataset: `robust_tf.data.Dataset`.
        settings: `ClassifierSettings`.
    """

    def check_method(self):
        settings, replicas = self.settings, self.strategy.num_replicas_in_sync
        if settings.defense.arguments.get("attack_bn_mode") == "training" and replicas > 1:
            raise UserError(
                f"--attack_bn_mode=training cannot be synchronised over {replicas} replicas; add "
                "--strategy=one_device"
            )
        self.threat_model = settings.defense.threat_model
        self.columns = attack_columns(settings.eval_attacks, self.threat_model, self.info.name)

    def build_network(self):
        return models.get(self.settings.model, self.info, self.settings.bn_variance)

    def plan(self):
        return "\n".join(filter(None, [super().plan(), self._majority()]))

    def batches(self, examples, start, stop):
        return pipeline.train_dataset(
            examples,
            self.info,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            start_step=start,
            stop_step=stop,
            streams=self.settings.defense.streams,
            pool_mul=self.settings.pool_mul,
            cutmix=self.settings.cutmix,
        )

    @functools.cached_property
    def images(self):
        train, held_out = self.training_images()
        return train, self.dataset.load("test", self.settings.limit_test), held_out

    def training_images(self):
        """Returns (training examples, held-out examples or None).

        Held out are images of the official validation split where there is one, otherwise training
        images of every class in proportion.
        """
        settings = self.settings
        if not settings.held_out:
            return self.dataset.load("train", settings.limit_train, every_class=True), None
        if "validation" in self.info.splits:
            held_out = self.dataset.load("validation", settings.held_out)
            if len(held_out) < settings.held_out:
                raise UserError(
                    f"--held_out={settings.held_out}: the validation split of {self.info.name} has "
                    f"only {len(held_out):,} images"
                )
            return self.dataset.load("train", settings.limit_train, every_class=True), held_out
        train, held_out = split_held_out(
            self.dataset.load("train", every_class=True), settings.held_out
        )
        return train.take(settings.limit_train), held_out

    def passes(self):
        return passes(self.settings.defense, self.settings.pool_mul)

    def monitors(self, held_out):
        settings, monitors = self.settings, []
        batch_size = settings.eval_batch_size
        if settings.defense.name != "um":  # its train steps show the clean accuracy
            monitors.append(CleanAccuracyMonitor(self.images[0], batch_size=batch_size))
        if held_out is not None:
            about = {"seed": settings.seed, "batch_size": batch_size}
            about["likely_masking"] = settings.likely_masking
            monitors.append(HeldOutMonitor(held_out, self.threat_model, self.folder, **about))
        return monitors

    def keep_final(self, held_out):
        """The last network, or the one of --select=best."""
        if self.settings.select == "best":
            self.folder.load_weights(self.model.network, self.folder.best_weights)
        super().keep_final(held_out)
        if held_out is not None:
            seen = [(line["held_out_pgd10"], line["step"]) for line in self.folder.read_metrics()]
            (last, _), (best, step) = seen[-1], max(seen)
            print(
                f"held-out PGD-10: last {100 * last:.2f} %, best {100 * best:.2f} % after step "
                f"{step}; the {self.settings.select} network is kept"
            )

    def unmeasured(self):
        measured = {result.attack for result in self._accuracies()}
        return [c for c in self.columns if (c.ensemble or c.name) not in measured]

    def measure(self, test):
        evaluation = RunEvaluation(
            FinishedRun(self.folder.path, self.dataset.data_dir),
            test,
            seed=self.settings.seed,
            precision="float32",
            batch_size=self.settings.eval_batch_size,
            jit_compile=self.xla,
        )
        evaluation.run(self.unmeasured())

    def results_table(self):
        return accuracy_table(self._accuracies())

    def next_commands(self, folder):
        evaluate = f"evaluate --workdir={folder} --attacks={ENSEMBLE} --checks=quick"
        report = f"report --workdir={folder} --output={folder}/report.html"
        measured = ENSEMBLE in {result.attack for result in self._accuracies()}
        larger = [
            "python -m tla_tf.train --dataset=cifar10 --flagfile=flags/tla/cifar10_quick.flags"
            "  # downloads 162 MB unless TFDS has it",
        ]
        return [
            f"python -m tla_tf.{report if measured else evaluate}",
            f"python -m tla_tf.export --workdir={folder} --export_dir={folder}/export",
            *(larger if self.info.name == "digits" else ()),
        ]

    def _majority(self):
        """What always answering with one class would reach, where that is far above chance."""
        counts = np.bincount(self.images[1].labels)
        share = counts.max() / counts.sum()
        if share <= 1 / self.info.num_classes + 0.1:
            return None
        name = self.info.class_names[counts.argmax()]
        return f"{100 * share:.0f} % of the test images are of class {name}: no merit to get as far"

    def _accuracies(self):
        """The accuracies in the folder, each once; it may hold other measurements too."""
        found = [r for r in read_results(self.folder.results) if r.metric == "accuracy"]
        # A member of an ensemble that was stopped is recorded again.
        return [result for place, result in enumerate(found) if result not in found[:place]]
