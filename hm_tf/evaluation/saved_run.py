"""A SavedModel in the place of the run folder of an embedding network."""

import functools
import types

from robust_tf import data
from robust_tf.data import class_disjoint
from robust_tf.data.folder import FolderInfo
from robust_tf.errors import UserError
from robust_tf.evaluation.saved_embedding import SavedEmbedding
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version


class SavedRun:
    """Has the attributes of a `FinishedRun` that search, attack and evaluation read.

    Photos are resized to the size that the signature takes. Records go to a folder beside the
    SavedModel.

    Args:
        saved_model: path of a SavedModel, or of the folder of its versions: the newest is taken.
        endpoint: name of its signature.
        output: name of the signature's output.
        dataset: name of a data set, None where the images are the user's own.
        data_dir: folder of the data set.
        eps: radius of the attack as typed, None where nothing is attacked.

    Attributes:
        info: `DatasetInfo`.
        folder: has `path` and `results`, as a `RunFolder`.

    Raises:
        UserError: no such SavedModel, endpoint or output, or one of any image size.
    """

    train_classes = None

    def __init__(
        self,
        saved_model,
        endpoint="serving_default",
        output="embedding",
        *,
        dataset=None,
        data_dir=None,
        eps=None,
    ):
        path = newest_version(saved_model)
        signature = SavedSignature(path, endpoint)
        shape = signature.shape[1:]
        if not shape.is_fully_defined() or len(shape) != 3:
            raise UserError(
                f"{path}: {endpoint} takes {signature.shape}, not images [n, height, width, "
                "channels] of one size"
            )
        self.dataset = dataset and data.open(
            dataset, data_dir, image_size=signature.side, on_bad_image="skip"
        )
        self.info = self.dataset.info if dataset else FolderInfo("images", tuple(shape), (), {}, "")
        self.folder = types.SimpleNamespace(path=path.with_name(f"{path.name}.evaluation"))
        self.folder.results = self.folder.path / "results.jsonl"
        self._eps = eps
        self._network = SavedEmbedding(signature, self.info.image_shape, output=output)
        self.facts = {"dataset": dataset, "method": "saved_model", "training_seed": 0}

    def network(self, precision="float32"):
        """Returns the `SavedEmbedding`."""
        if precision != "float32":
            raise UserError("--precision: a SavedModel has its own; leave the flag out")
        return self._network

    def test_images(self, limit=None):
        """Returns the first `limit` images of the test classes, None for all."""
        self.folder.path.mkdir(exist_ok=True)
        return self._test_images.take(limit)

    @functools.cached_property
    def _test_images(self):
        return class_disjoint.load_side(self.dataset, "test", None)
