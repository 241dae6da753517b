"""The training run of an embedding network."""

import dataclasses
import functools
from collections.abc import Sequence

from hm_tf.defenses.held_out_pairs import split_pairs, watched_pairs
from hm_tf.defenses.passes import passes
from hm_tf.evaluation.closing_evaluation import METRICS, evaluate, of_training
from hm_tf.evaluation.collapse_guard import CollapseGuard
from hm_tf.evaluation.embedded_test_set import searchable
from hm_tf.pretrained.initial_weights import load_initial_weights
from hm_tf.runs.finished_run import FinishedRun
from hm_tf.triplets.pairs import pair_dataset
from robust_tf.data import class_disjoint
from robust_tf.data.text_lines import read_names
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.reports.result_tables import metric_table
from robust_tf.results.result import read_results
from robust_tf.runs.training_run import TrainingRun
from robust_tf.runs.training_settings import TrainingSettings

# Training images whose R@1 is watched where none are held out.
WATCHED = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricSettings(TrainingSettings):
    """The settings of the training of an embedding network.

    Attributes:
        bn: "frozen" or "live" batch norm statistics.
        init_weights: see `load_initial_weights`; "none" for random weights.
        train_classes: file with the training classes, or None.
        on_collapse: "warn" or "stop".
        likely_collapse: what in these settings most often collapses a run, in words.
        next_commands: commands to go on with after the training.
    """

    bn: str
    init_weights: str
    train_classes: str | None
    on_collapse: str
    likely_collapse: str
    next_commands: Sequence[str] = ()


class MetricTrainingRun(TrainingRun):
    """Trains a defense of the HM paper and measures retrieval, clean and under the ES attack.

    Args:
        dataset: `robust_tf.data.Dataset`.
        settings: `MetricSettings`.
    """

    def shard_size(self):
        return self.settings.defense.shard_size

    def check_method(self):
        settings = self.settings
        settings.defense.check()
        settings.defense.shards(self.strategy.num_replicas_in_sync)
        if settings.train_classes is not None:
            self.train_classes = read_names(settings.train_classes, "train_classes")
        if self.info.name in class_disjoint.DIVIDED:
            class_disjoint.training_classes(self.info, self.train_classes)

    def describe_data(self):
        """The sides of the data as they are used, not the images' own split."""
        if self.info.name not in class_disjoint.DIVIDED:
            return super().describe_data()
        train, test, held_out = self.images
        parts = {"train": train, "held out": held_out, "test": test}
        images = ", ".join(
            f"{name} {len(part):,} images of {len(set(part.labels))} classes"
            for name, part in parts.items()
            if part is not None
        )
        return self.dataset.describe(images)

    def build_network(self):
        return get_embedding(self.settings.model, self.info, self.settings.bn)

    def set_first_weights(self, network):
        load_initial_weights(network, self.settings.init_weights)
        super().set_first_weights(network)

    def build_model(self, network):
        return self.settings.defense.build(network, self.strategy.num_replicas_in_sync)

    def batches(self, examples, start, stop):
        return pair_dataset(
            examples,
            self.info,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            start_step=start,
            stop_step=stop,
            replays=self.settings.defense.replays,
        )

    @functools.cached_property
    def images(self):
        """The class-disjoint sides of the data, pairs of the training side held out."""
        settings = self.settings
        side = functools.partial(class_disjoint.load_side, self.dataset)
        test = side("test", self.train_classes, settings.limit_test)
        searchable(test.labels)  # refuses before the many training images are read
        # Held out are some of all training images.
        most = None if settings.held_out else settings.limit_train
        train, held_out = split_pairs(side("train", self.train_classes, most), settings.held_out)
        train = train.take(settings.limit_train)
        class_disjoint.require_two_classes(train)
        class_disjoint.warn_of_single_images(train)
        return train, test, held_out

    def passes(self):
        return passes(self.settings.defense)

    def monitors(self, held_out):
        settings = self.settings
        # The recipes hold nothing out, as the paper. A collapse shows in training images, too.
        watched = watched_pairs(self.images[0], WATCHED) if held_out is None else held_out
        guard = CollapseGuard(
            cause=settings.likely_collapse,
            stop=settings.on_collapse == "stop",
            watched=watched,
            kind="training" if held_out is None else "held_out",
            batch_size=settings.eval_batch_size,
        )
        return [guard]

    def train(self):
        self._first_weights = self.model.network.get_weights()
        return super().train()

    def unmeasured(self):
        found = read_results(self.folder.results)
        measured = {(result.attack, result.metric) for result in found}
        return [] if measured >= set(METRICS) else list(METRICS)

    def measure(self, test):
        settings = self.settings
        run = FinishedRun(self.folder.path, self.dataset.data_dir)
        evaluate(
            run.network(settings.precision),
            test,
            run.attack(),
            self.folder,
            first_weights=self._first_weights,
            precision=settings.precision,
            batch_size=settings.eval_batch_size,
            xla=self.xla,
            **run.facts,
        )

    def results_table(self):
        return metric_table(of_training(read_results(self.folder.results)))

    def next_commands(self, folder):
        return [
            f"python -m hm_tf.evaluate --workdir={folder}",
            f"python -m hm_tf.export --workdir={folder} --export_dir={folder}/export",
            *self.settings.next_commands,
        ]
