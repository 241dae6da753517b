"""The run folder of a network that others have trained."""

import warnings

from robust_tf.models import registry as models
from robust_tf.runs import lock
from robust_tf.runs.run_identity import RunIdentity
from tla_tf.evaluation.run_evaluation import correct_images

METHOD = "imported"
CHECKED = 250
# Published networks reach more on the test images: robust ones 98, 82 and 34 % or more.
_LEAST_ACCURACY = {"mnist": 0.9, "cifar10": 0.6, "tiny_imagenet": 0.2}


def imported_run(architecture, tensors, dataset, folder, checkpoint):
    """Writes a folder that evaluate, analyze, export, report and --init_from take.

    Args:
        architecture: `Architecture` of the weights.
        tensors: Dict from name to array, see `checkpoint_readers.formats.read`.
        dataset: `robust_tf.data.Dataset`, whose classes the logits are of.
        folder: `RunFolder`, new or empty.
        checkpoint: Path of the weights, kept in the folder's flags.

    Returns:
        keras.Model, the network in the folder.

    Raises:
        UserError: The tensors do not fit the network, or the folder holds something else.
    """
    flags = {
        "method": METHOD,
        "architecture": architecture.name,
        "checkpoint": str(checkpoint),
        "dataset": dataset.name,
        "data_dir": dataset.data_dir,
        "model": architecture.model,
        "eps": architecture.eps,
        "norm": "linf",
        "seed": 0,
        "train_steps": 0,
    }
    identity = RunIdentity(flags, free=frozenset({"data_dir"}))
    folder.check(identity)
    folder.require_place()
    network = models.get(architecture.model, dataset.info)
    architecture.load(tensors, network)
    with lock.held(folder.path):
        folder.claim(identity, dataset.info.class_names, dataset.info.identity)
        folder.save_network(network, folder.final_weights)
    return network


def clean_accuracy(network, dataset):
    """Returns the accuracy on the first `CHECKED` test images, and warns where it is too low.

    Kernels with swapped axes of equal length, another order of the classes and another
    normalisation of the images have the right shapes. Only the accuracy shows them.
    """
    images = dataset.load("test", CHECKED)
    accuracy = correct_images(network, images).mean()
    least = _LEAST_ACCURACY.get(dataset.name, 2 / dataset.info.num_classes)
    if accuracy < least:
        warnings.warn(
            f"clean accuracy {100 * accuracy:.1f} % on {len(images):,} test images, expected is at "
            f"least {100 * least:.0f} %: are kernels transposed, classes in another order, or "
            "images normalised in another way?",
            stacklevel=2,
        )
    return accuracy
