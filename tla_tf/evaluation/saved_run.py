"""A SavedModel in the place of a run folder, as evaluation sees it."""

import dataclasses
import types

from robust_tf import data
from robust_tf.attacks.square import Square
from robust_tf.errors import UserError
from robust_tf.evaluation.saved_classifier import SavedClassifier
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version


class SavedRun:
    """Has the same attributes as a `FinishedRun`; its results go to a folder beside the model.

    Images of a folder are resized to the side that the signature takes. Files among them that
    cannot be decoded are left out and named: a SavedModel does not say how the training took them.

    Args:
        path: of a SavedModel, or of an export_dir, whose newest version is taken.
        dataset, eps, data_dir: of the evaluation; a SavedModel does not know the first two.
        endpoint, output: names of the signature and of its output.
        batch_size: images of an evaluated batch.
        precision: must be "float32".

    Raises:
        UserError: flags that are missing or do not fit, see also `SavedSignature` and
            `SavedClassifier`.
    """

    def __init__(
        self,
        path,
        *,
        dataset,
        eps,
        data_dir=None,
        endpoint="serving_default",
        output="logits",
        batch_size=250,
        precision="float32",
    ):
        path = newest_version(path)
        for name, value in {"dataset": dataset, "eps": eps}.items():
            if value is None:
                raise UserError(f"--saved_model={path} needs --{name}, which no run folder gives")
        if precision != "float32":
            raise UserError("--precision: a SavedModel has its own; leave the flag out")
        signature = SavedSignature(path, endpoint)
        self.dataset = data.open(dataset, data_dir, image_size=signature.side, on_bad_image="skip")
        self.info = self.dataset.info
        self.flags = {"method": "saved_model", "seed": 0, "eps": eps}
        folder = path.with_name(f"{path.name}.evaluation")
        self.folder = types.SimpleNamespace(path=folder, results=folder / "results.jsonl")
        self._network = SavedClassifier(signature, self.info, output=output)
        fixed = signature.batch_size
        if fixed not in (None, batch_size):
            raise UserError(f"{path} takes batches of {fixed} images; use --batch_size={fixed}")

    @property
    def differentiable(self):
        """Whether attacks can have the gradient."""
        return self._network.differentiable

    def network(self, precision="float32"):
        """Returns the `SavedClassifier`; makes the folder of its results."""
        self.folder.path.mkdir(exist_ok=True)
        return self._network


def without_gradients(columns):
    """Returns the columns that need no gradients of the network, and the names of the others."""
    kept = [
        dataclasses.replace(column, ensemble=None)
        for column in columns
        if column.preset is None or column.substitute or isinstance(column.preset.attack, Square)
    ]
    names = {column.name for column in kept}
    return kept, [column.name for column in columns if column.name not in names]
