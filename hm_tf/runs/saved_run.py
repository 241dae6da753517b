"""A SavedModel or a .keras file in the place of the run folder of an embedding network."""

import functools
import pathlib

import keras

# Loading needs the class of a saved defense.
from hm_tf.defenses import build  # noqa: F401
from hm_tf.ranking_attacks.registry import PROFILES, Profile
from hm_tf.runs.finished_run import FinishedRun
from robust_tf.data import class_disjoint
from robust_tf.data.arrays import open_arrays
from robust_tf.data.augment import ResizedCrop
from robust_tf.data.folder import FolderInfo
from robust_tf.errors import UserError
from robust_tf.evaluation.keras_file import KerasFile, open_signature
from robust_tf.evaluation.saved_embedding import SavedEmbedding
from robust_tf.export.sidecar import read_sidecar
from robust_tf.models.keras_network import as_embedding
from robust_tf.runs import saved_run
from robust_tf.runs.run_folder import RunFolder

STEPS = 32  # of the HM paper's evaluation
EMBEDDING = "embedding"  # the usual output


def open_run(
    workdir,
    saved_model,
    model,
    *,
    endpoint,
    output,
    input_range,
    dataset=None,
    images=None,
    data_dir=None,
    max_pixels=None,
):
    """Returns the `FinishedRun` of a run folder, or the `SavedRun` of a model: one of the three.

    Args:
        workdir: path of a finished run, or None.
        saved_model, model, endpoint, input_range: see `open_signature`.
        output: name of the SavedModel's output; of a .keras file, of the layer that is the
            embedding, where this is not the only output or the output "embedding".
        dataset, images, data_dir, max_pixels: see `SavedRun`.

    Raises:
        UserError: see `FinishedRun` and `SavedRun`.
    """
    if workdir is not None:
        return FinishedRun(workdir, data_dir)
    of_file = functools.partial(_as_embedding, output=output)
    signature = open_signature(saved_model, model, endpoint, input_range, of_file)
    files = {"dataset": dataset, "images": images, "data_dir": data_dir, "max_pixels": max_pixels}
    return SavedRun(signature, output, **files)


def _as_embedding(network, output):
    """The graph of a .keras file with unit vectors as the output of this name."""
    network = as_embedding(network, embedding=None if output == EMBEDDING else output)
    outputs = {output: network.output[EMBEDDING]}
    return keras.Model(network.inputs[0], outputs, name=network.name)


class SavedRun(saved_run.SavedRun):
    """An embedding network without a run folder, as search, attack and evaluation see it.

    Photos are resized as the training did it, where `model.json` of a SavedModel says how, and to
    the size that the network takes otherwise.

    Args:
        signature: `SavedSignature` or `KerasFile`, see `open_signature`.
        output: name of its output, unit vectors.
        dataset, data_dir, max_pixels: see `SavedSignature.open_data`; without one, None.
        images: path of an .npz file of the user's own arrays, all of them test images, or None.
            Without both, the images are a gallery.

    Attributes:
        train_classes: names of the training classes, where the files of the run give them, or None.

    Raises:
        UserError: no such output, a network of any image size, or one that takes batches of one
            size; unknown training classes, a data set beside arrays; see also `open_arrays`.
    """

    def __init__(
        self,
        signature,
        output=EMBEDDING,
        *,
        dataset=None,
        images=None,
        data_dir=None,
        max_pixels=None,
    ):
        path, shape = pathlib.Path(signature.path), signature.shape[1:]
        sized = signature.batch_size is not None
        if sized or not shape.is_fully_defined() or len(shape) != 3:
            raise UserError(
                f"{path}: {signature.endpoint} takes {signature.shape}, not any number of images "
                "[n, height, width, channels] of one size"
            )
        if dataset and images:
            raise UserError("--dataset and --images=X.npz are two sets of images; give one")
        output = signature.output_like(output) if output == EMBEDDING else output
        self._all_test = images is not None
        opened = images and open_arrays(images)
        if dataset:
            opened = signature.open_data(dataset, data_dir, max_pixels)
        info = opened.info if opened else _own_images(path, tuple(shape))
        self.train_classes = _train_classes(signature, info) if dataset else None
        network = SavedEmbedding(signature, info.image_shape, output=output)
        super().__init__(path, info, opened, network)

    def test_images(self, limit=None):
        """Returns the first `limit` images of the test classes, None for all."""
        if self._all_test:
            return super().test_images(limit)
        return class_disjoint.load_side(self.dataset, "test", self.train_classes, limit)

    def attack(self, steps=None, step_size=None, eps=None, profile="run", norm=None):
        """Returns the `PGD` of the evaluation, as `FinishedRun.attack` does.

        Without a profile steps are `STEPS`, of 2.5 * eps / steps, the norm is L-inf, and a missing
        radius is a `UserError`.
        """
        if profile == "run" and eps is None:
            raise UserError("a model without a run needs --eps, which no run folder gives")
        base = PROFILES.get(profile) or Profile(eps, None, STEPS, norm or "linf")
        return base.attack(steps, step_size, eps, norm)


def _train_classes(signature, info):
    """The classes that --train_classes gave the training on the same data; they are no test."""
    path = pathlib.Path(signature.path)
    if isinstance(signature, KerasFile):  # perhaps the final.keras of a run
        names = RunFolder(path.parent).read_train_classes()
        return names if names and set(names) <= set(info.class_names) else None
    entries = read_sidecar(path)
    if entries.get("classes") != list(info.class_names):
        return None
    training = entries.get("training", {})
    if "classes" not in training and training.get("flags", {}).get("train_classes"):
        raise UserError(
            f"{path}: its model.json is older and does not name its training classes, which would "
            "be searched; export the run again"
        )
    return training.get("classes")


def _own_images(path, shape):
    """The `FolderInfo` of the user's images; the training may have cut out the middle of photos."""
    resized = read_sidecar(path).get("resized_to")
    cut = {"augment": ResizedCrop(shape[0])} if resized and resized != list(shape[:2]) else {}
    return FolderInfo("images", shape, (), {}, "", **cut)
