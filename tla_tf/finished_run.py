"""A run folder whose training has ended, as evaluation, export and fine-tuning see it."""

import zipfile

import keras

from robust_tf.data import registry as data
from robust_tf.errors import RunError, UserError
from robust_tf.models import registry as models
from robust_tf.training.run_folder import RunFolder


class FinishedRun:
    """Reads a run folder.

    Args:
        workdir: path of the folder.
        data_dir: where the data are now; None means where they were.

    Raises:
        UserError: no run there, one that has no final weights yet, or data with other classes.
    """

    def __init__(self, workdir, data_dir=None):
        self.folder = RunFolder(workdir)
        self.flags = self.folder.read_flags()
        self.reading = {name: self.flags.get(name) for name in data.READING}
        self.reading["data_dir"] = data_dir or self.reading["data_dir"]
        self.info = data.get(self.flags["dataset"], **self.reading)
        self.folder.require_classes(self.info.class_names)
        if not self.folder.final_weights.exists():
            raise UserError(
                f"{workdir} has no final weights yet; finish it with "
                f"python -m tla_tf.train --flagfile={self.folder.path / 'flags.txt'}"
            )

    def require(self, **expected):
        """Raises UserError unless the run has these flags, e.g. dataset and model."""
        for name, value in expected.items():
            if self.flags[name] != value:
                raise UserError(
                    f"{self.folder.path} was trained with --{name}={self.flags[name]}, not {value}"
                )

    def network(self, precision="float32"):
        """Builds the trained network under the Keras policy `precision`."""
        keras.config.set_dtype_policy(precision)
        network = models.get(self.flags["model"], self.info)
        self.load_weights(network)
        return network

    def load_weights(self, network):
        """Puts the trained weights, moving statistics included, into `network`."""
        try:
            network.load_weights(self.folder.final_weights)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{self.folder.final_weights} cannot be read: {reason}") from error
