"""The classifiers that attacks are measured on: finished runs, or trained here."""

from typing import Any, NamedTuple

import keras

from benchmarks import recipe
from robust_tf.cli.flag_table import Options
from robust_tf.errors import UserError
from tla_tf.options import TRAIN
from tla_tf.runs.finished_run import FinishedRun


class Classifier(NamedTuple):
    """A network with the flags it was trained with and its facts.

    Attributes:
        network: keras.Model with the output "logits".
        options: `Options` of tla_tf.train.
        dataset: `robust_tf.data.Dataset`.
        name: its method.
    """

    network: Any
    options: Any
    dataset: Any
    name: str

    def test_images(self, count):
        """Returns the first `count` test Examples."""
        return self.dataset.load("test", count)


def classifiers(options, train=True):
    """Returns [undefended, defended]: of --workdir=RUN[,RUN2], where one may be both, or trained.

    Args:
        options: resolved flags of tla_tf.train.
        train: whether networks that are made here are trained.

    Raises:
        UserError: more than two runs, or training on random images.
    """
    if options.workdir:
        runs = options.workdir.split(",")
        if len(runs) > 2:
            raise UserError(f"--workdir={options.workdir}: give one or two runs")
        found = [_finished(run, options.data_dir) for run in runs]
        return [found[0], found[-1]]
    if train and not recipe.has_data(options):
        raise UserError("nothing can be trained on random images: give --data_dir or --restarts=0")
    return [_made(options.changed(method=method), train) for method in ("um", "at")]


def in_bfloat16(classifier):
    """Returns the network with the same weights under mixed_bfloat16."""
    options = classifier.options.changed(precision="mixed_bfloat16")
    copy = recipe.network(recipe.training_run(options))
    copy.set_weights(classifier.network.get_weights())
    return copy


def _finished(workdir, data_dir):
    run = FinishedRun(workdir, data_dir)
    return Classifier(run.network(), Options(TRAIN, run.flags), run.dataset, run.flags["method"])


def _made(options, train):
    training = recipe.training_run(options)
    keras.utils.set_random_seed(options.seed)
    model = recipe.model_of(training)
    if train:
        update = recipe.train_step(model, training)
        for batch in training.batches(training.images[0], 0, options.train_steps):
            update(batch)
    return Classifier(model.network, options, training.dataset, options.method)
