"""A SavedModel or a .keras file in the place of a run folder."""

from robust_tf.errors import UserError
from robust_tf.runs.run_folder import RunFolder
from robust_tf.training.strategy import keep_float32


class SavedRun:
    """Has what evaluation reads of a `FinishedRun`; its results go to a folder beside the model.

    Args:
        path: pathlib.Path of the model.
        info: `DatasetInfo` of its images.
        dataset: `robust_tf.data.Dataset`, or None where there are no test images.
        network: what stands for the network of a run.
    """

    def __init__(self, path, info, dataset, network):
        self.info, self.dataset, self._network = info, dataset, network
        self.folder = RunFolder(path.with_name(f"{path.name}.evaluation"))
        name = dataset and info.name
        self.facts = {"dataset": name, "method": "saved_model", "training_seed": 0}

    def network(self, precision="float32"):
        """Returns the network, see `keep_float32`."""
        if precision != "float32":
            raise UserError("--precision: a SavedModel has its own; leave the flag out")
        keep_float32()
        return self._network

    def test_images(self, limit=None):
        """Returns the first `limit` test images, `Examples`; None for all."""
        return self.dataset.load("test", limit)
