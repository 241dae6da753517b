"""A SavedModel in the place of the run folder of an embedding network."""

import functools

from hm_tf.finished_run import FinishedRun
from hm_tf.ranking_attacks.registry import PROFILES, Profile
from robust_tf import data
from robust_tf.data import class_disjoint
from robust_tf.data.augment import ResizedCrop
from robust_tf.data.folder import FolderInfo
from robust_tf.errors import UserError
from robust_tf.evaluation.saved_embedding import SavedEmbedding
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version
from robust_tf.export.sidecar import read_sidecar
from robust_tf.runs.run_folder import RunFolder
from robust_tf.training.strategy import keep_float32

STEPS = 32  # of the HM paper's evaluation


def open_run(
    workdir, saved_model, *, endpoint, output, data_dir=None, dataset=None, max_pixels=None
):
    """Returns the `FinishedRun` of --workdir or the `SavedRun` of --saved_model.

    Args:
        workdir: path of a finished run, or None.
        saved_model, endpoint, output, data_dir, dataset, max_pixels: see `SavedRun`; None without
            one.

    Raises:
        UserError: neither, or both; see also `FinishedRun` and `SavedRun`.
    """
    if bool(workdir) == bool(saved_model):
        raise UserError(
            "--workdir=RUN is required, the folder of a finished run, or else --saved_model=DIR"
        )
    if saved_model:
        files = {"dataset": dataset, "data_dir": data_dir, "max_pixels": max_pixels}
        return SavedRun(saved_model, endpoint, output, **files)
    return FinishedRun(workdir, data_dir)


class SavedRun:
    """Has the attributes of a `FinishedRun` that search, attack and evaluation read.

    Photos are resized as the training did it, where `model.json` of the SavedModel says how, and
    to the size that the signature takes otherwise. Records go to a folder beside the SavedModel.

    Args:
        saved_model: path of a SavedModel, or of the folder of its versions: the newest is taken.
        endpoint: name of its signature.
        output: name of the signature's output.
        dataset: name of a data set, None where the images are the user's own.
        data_dir: folder of the data set.
        max_pixels: see `FileSettings`; None means 100 megapixels.

    Attributes:
        info: `DatasetInfo`.
        train_classes: names of the training classes that `model.json` gives, or None.
        folder: `RunFolder` of the records.

    Raises:
        UserError: no such SavedModel, endpoint or output, one of any image size, or one that takes
            batches of one size; unknown training classes.
    """

    def __init__(
        self, saved_model, endpoint, output, *, dataset=None, data_dir=None, max_pixels=None
    ):
        path = newest_version(saved_model)
        signature = SavedSignature(path, endpoint)
        shape = signature.shape[1:]
        sized = signature.batch_size is not None
        if sized or not shape.is_fully_defined() or len(shape) != 3:
            raise UserError(
                f"{path}: {endpoint} takes {signature.shape}, not any number of images "
                "[n, height, width, channels] of one size"
            )
        self.dataset = dataset and data.open(
            dataset, data_dir, **signature.reading, max_pixels=max_pixels
        )
        self.info = self.dataset.info if dataset else _own_images(path, tuple(shape))
        self.train_classes = _train_classes(path, self.info) if dataset else None
        self.folder = RunFolder(path.with_name(f"{path.name}.evaluation"))
        self._network = SavedEmbedding(signature, self.info.image_shape, output=output)
        self.facts = {"dataset": dataset, "method": "saved_model", "training_seed": 0}

    def network(self, precision="float32"):
        """Returns the `SavedEmbedding`, see `keep_float32`."""
        if precision != "float32":
            raise UserError("--precision: a SavedModel has its own; leave the flag out")
        keep_float32()
        return self._network

    def test_images(self, limit=None):
        """Returns the first `limit` images of the test classes, None for all."""
        self.folder.path.mkdir(exist_ok=True)
        return self._test_images.take(limit)

    def attack(self, steps=None, step_size=None, eps=None, profile="run", norm=None):
        """Returns the `PGD` of the evaluation, as `FinishedRun.attack` does.

        Without a profile steps are `STEPS`, of 2.5 * eps / steps, the norm is L-inf, and a missing
        radius is a `UserError`.
        """
        if profile == "run" and eps is None:
            raise UserError("--saved_model needs --eps, which no run folder gives")
        base = PROFILES.get(profile) or Profile(eps, None, STEPS, norm or "linf")
        return base.attack(steps, step_size, eps, norm)

    @functools.cached_property
    def _test_images(self):
        return class_disjoint.load_side(self.dataset, "test", self.train_classes)


def _train_classes(path, info):
    """The classes that --train_classes gave the training on the same data; they are no test."""
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
