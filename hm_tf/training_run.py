"""The training run of an embedding network."""

from hm_tf import config
from hm_tf.metric_evaluation import METRICS, evaluate
from robust_tf.data import class_disjoint
from robust_tf.data.pairs import pair_dataset
from robust_tf.evaluation.records import read_results
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.reports.metric_table import metric_table
from robust_tf.training.strategy import use_xla
from robust_tf.training.training_run import TrainingRun


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
        super().__init__(options, options.defense)

    def check_method(self):
        config.check(self.options)
        config.shards(self.options, self.strategy.num_replicas_in_sync)
        if self.options.dataset in class_disjoint.DIVIDED:
            # These are at hand, and their sizes are known only after the division.
            self.info, *self._divided = self._read()

    def build_model(self):
        network = get_embedding(self.options.model, self.info, self.options.bn)
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
        """The class-disjoint sides of the data."""
        options = self.options
        if options.dataset in class_disjoint.DIVIDED:
            train, test = self._divided
        else:
            self.info, train, test = self._read()
        return train.take(options.limit_train), test.take(options.limit_test), None

    def unmeasured(self):
        found = read_results(self.folder.results) if self.folder.results.exists() else []
        measured = {(result.attack, result.metric) for result in found}
        return [] if measured >= set(METRICS) else list(METRICS)

    def measure(self, test):
        options = self.options
        network = get_embedding(options.model, self.info, options.bn)
        network.load_weights(self.folder.final_weights)
        evaluate(
            network,
            test,
            config.attack(options, options.eval_steps, options.eval_step_size),
            self.folder.results,
            dataset=options.dataset,
            method=config.title(options),
            training_seed=options.seed,
            precision=options.precision,
            batch_size=options.eval_batch_size,
            xla=use_xla(options.jit_compile),
        )

    def report(self):
        folder = self.folder.path
        return (
            f"\n{metric_table(read_results(self.folder.results))}\n\n"
            f"run folder: {folder}\n"
            "next: python -m hm_tf.train --defense=none --source=random --ics=0\n"
            "      python -m hm_tf.train --defense=act --source=random --ics=0\n"
            "      python -m hm_tf.train --dataset=mnist"
        )

    def _read(self):
        options = self.options
        return class_disjoint.load(
            options.dataset, train_classes=options.train_classes, **self.reading
        )
