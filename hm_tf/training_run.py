"""The training run of an embedding network."""

import functools

from hm_tf import config
from hm_tf.defenses.collapse_guard import CollapseGuard, likely_cause
from hm_tf.defenses.held_out_pairs import split_pairs, watched_pairs
from hm_tf.evaluation.closing_evaluation import METRICS, evaluate, of_training
from hm_tf.evaluation.embedded_test_set import searchable
from hm_tf.finished_run import FinishedRun
from hm_tf.next_trainings import next_trainings
from hm_tf.pretrained.initial_weights import load_initial_weights
from hm_tf.triplets.pairs import pair_dataset
from robust_tf import data
from robust_tf.cli import recipe
from robust_tf.data import class_disjoint
from robust_tf.errors import UserError
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.reports.result_tables import METRIC_COLUMNS
from robust_tf.reports.table import text_table
from robust_tf.results.result import read_results
from robust_tf.runs.training_run import TrainingRun
from robust_tf.training.strategy import use_xla

# Training images whose R@1 is watched where none are held out.
WATCHED = 256


class MetricTrainingRun(TrainingRun):
    """Trains a defense of the HM paper and measures retrieval, clean and under the ES attack.

    Args:
        options: resolved flags of `hm_tf.flags.define_train`.
    """

    package = "hm_tf"
    recipe = "hm"
    required = (
        *("source", "destination", "ics", "margin", "model", "bn", "eps", "pgd_steps"),
        *("pgd_step_size", "batch_size", "shard_size", "learning_rates", "weight_decay"),
        *("train_steps", "checkpoint_every", "eval_steps", "eval_step_size"),
    )

    def __init__(self, options):
        config.drop_unread(options)
        super().__init__(options, config.folder_name(options))

    def check(self):
        name, recipes = self.options.dataset, recipe.store() / self.recipe
        if name not in data.DATASETS:
            allowed = [n for n in data.DATASETS if (recipes / f"{n}.flags").exists()]
            raise UserError(f"Unknown data set {name!r}; allowed: {', '.join(allowed)}.")
        super().check()

    def check_method(self):
        config.check(self.options)
        config.check_typed(self.options)
        config.shards(self.options, self.strategy.num_replicas_in_sync)
        if self.options.train_classes is not None:
            self.train_classes = class_disjoint.read_classes(self.options.train_classes)
        if self.options.dataset in class_disjoint.DIVIDED:
            # These are at hand, and their sizes are known only after the division.
            self.info, *self._divided = self._read()

    def plan(self):
        return "\n".join([super().plan(), *config.notes(self.options)])

    def describe_data(self):
        """The sides of the data as they are used, not the images' own split."""
        if self.options.dataset not in class_disjoint.DIVIDED:
            return super().describe_data()
        train, test, held_out = self.images()
        parts = {"train": train, "held out": held_out, "test": test}
        images = ", ".join(
            f"{name} {len(part):,} images of {len(set(part.labels))} classes"
            for name, part in parts.items()
            if part is not None
        )
        return self.dataset.describe(images)

    def build_model(self):
        network = get_embedding(self.options.model, self.info, self.options.bn)
        if self.options.init_weights != "none" and not self.finished():
            load_initial_weights(network, self.options.init_weights)
        return config.defense(self.options, network, self.strategy.num_replicas_in_sync)

    def build_optimizer(self):
        return config.optimizer(self.options)

    def title(self):
        return f"{config.title(self.options)}, {config.threat_model(self.options.eps)},"

    def batches(self, examples, start, stop):
        return pair_dataset(
            examples,
            self.info,
            batch_size=self.options.batch_size,
            seed=self.options.seed,
            start_step=start,
            stop_step=stop,
        )

    def images(self):
        """The class-disjoint sides of the data, pairs of the training side held out."""
        return self._images

    @functools.cached_property
    def _images(self):
        options = self.options
        if options.dataset in class_disjoint.DIVIDED:
            train, test = self._divided
        else:
            self.info, train, test = self._read()
        train, held_out = split_pairs(train, options.held_out)
        train, test = train.take(options.limit_train), test.take(options.limit_test)
        class_disjoint.require_two_classes(train)
        class_disjoint.warn_of_single_images(train)
        searchable(test.labels)  # what it refuses would come up after training only
        return train, test, held_out

    def monitors(self, held_out):
        options = self.options
        # The recipes hold nothing out, as the paper. A collapse shows in training images, too.
        watched = watched_pairs(self.images()[0], WATCHED) if held_out is None else held_out
        guard = CollapseGuard(
            self.folder,
            cause=likely_cause(options),
            stop=options.on_collapse == "stop",
            watched=watched,
            kind="training" if held_out is None else "held_out",
            batch_size=options.eval_batch_size,
        )
        return [guard]

    def unmeasured(self):
        found = read_results(self.folder.results)
        measured = {(result.attack, result.metric) for result in found}
        return [] if measured >= set(METRICS) else list(METRICS)

    def measure(self, test):
        options = self.options
        run = FinishedRun(self.folder.path, options.data_dir)
        evaluate(
            run.network(options.precision),
            test,
            run.attack(),
            self.folder,
            precision=options.precision,
            batch_size=options.eval_batch_size,
            xla=use_xla(options.jit_compile),
            **run.facts,
        )

    def report(self):
        folder, results = self.folder.path, of_training(read_results(self.folder.results))
        return (
            f"\n{text_table(METRIC_COLUMNS, results)}\n\n"
            f"run folder: {folder}\n"
            f"next: python -m hm_tf.evaluate --workdir={folder}\n"
            f"      python -m hm_tf.export --workdir={folder} --export_dir={folder / 'export'}\n"
        ) + "\n".join(f"      {line}" for line in next_trainings(self.options, folder))

    def _read(self):
        return class_disjoint.load(self.dataset, self.train_classes)
