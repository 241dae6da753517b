"""Another run, on whose network images are made to be tried on the evaluated one."""

from typing import NamedTuple

from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet
from hm_tf.evaluation.ranking_batch import Ranker
from hm_tf.runs.finished_run import FinishedRun
from robust_tf.data import class_disjoint
from robust_tf.data.text_lines import first_of
from robust_tf.errors import UserError
from robust_tf.results.result import weights_hash


class Substitute(NamedTuple):
    """What an evaluation needs of it.

    Attributes:
        name: e.g. "N/A[R] seed 0".
        ranker: `Ranker`, its network with its own embeddings of the gallery.
        weights_hash: Hash of the network's weights.
    """

    name: str
    ranker: Ranker
    weights_hash: str


def substitute_run(workdir, run):
    """Returns the `FinishedRun` in `workdir`.

    Args:
        workdir: path.
        run: `FinishedRun` to evaluate.

    Raises:
        UserError: it is of another data set or image size, or was trained on classes that the
            evaluation searches.
    """
    other = FinishedRun(workdir, run.dataset.data_dir)
    sides = [(r.info.name, "x".join(map(str, r.info.image_shape))) for r in (other, run)]
    for what, of_other, of_run in zip(("the data set", "images of"), *sides):
        if of_other != of_run:
            raise UserError(
                f"--substitute={workdir} has {what} {of_other}, the evaluated run {of_run}"
            )
    # Other data sets have one split, of classes or, like MNIST, of images.
    if run.info.name in class_disjoint.DIVIDED:
        searched = set(run.info.class_names) - _training_classes(run)
        if seen := sorted(searched & _training_classes(other)):
            raise UserError(
                f"--substitute={workdir} was trained on classes that are searched here: "
                f"{first_of(seen)}; name a run with the training classes of the evaluated one"
            )
    return other


def _training_classes(run):
    return set(class_disjoint.training_classes(run.info, run.train_classes))


def load_substitute(run, examples, precision, **settings):
    """Returns the `Substitute` of a `FinishedRun`.

    Args:
        run: see `substitute_run`.
        examples: `Examples` of the evaluation.
        precision: Keras policy of the network.
        **settings: batch_size and xla of `EmbeddedTestSet`.
    """
    network = run.network(precision)
    test_set = EmbeddedTestSet(network, examples, **settings)
    name = f"{run.facts['method']} seed {run.facts['training_seed']}"
    return Substitute(name, Ranker.of(network, test_set), weights_hash(network))
