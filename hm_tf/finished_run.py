"""A run folder whose training has ended, as evaluation and export see it."""

import types
import zipfile

import keras

from hm_tf import config
from robust_tf.data import class_disjoint
from robust_tf.data import registry as data
from robust_tf.errors import RunError, UserError
from robust_tf.models.embedding_registry import get_embedding
from robust_tf.training.run_folder import RunFolder


class FinishedRun:
    """Reads a run folder.

    Args:
        workdir: path of the folder.
        data_dir: where the data are now; None means where they were.

    Raises:
        UserError: no run of metric learning there, one that has no final weights yet, or data with
            other classes.
    """

    def __init__(self, workdir, data_dir=None):
        self.folder = RunFolder(workdir)
        self.options = types.SimpleNamespace(**self.folder.read_flags())
        if not hasattr(self.options, "defense"):
            raise UserError(f"{workdir} holds a run of another command than hm_tf.train")
        self.reading = {name: getattr(self.options, name) for name in data.READING}
        self.reading["data_dir"] = data_dir or self.reading["data_dir"]
        self.info = data.get(self.options.dataset, **self.reading)
        self.folder.require_classes(self.info.class_names)
        if not self.folder.final_weights.exists():
            raise UserError(
                f"{workdir} has no final weights yet; finish it with "
                f"python -m hm_tf.train --flagfile={self.folder.path / 'flags.txt'}"
            )

    def network(self, precision="float32"):
        """Builds the trained network under the Keras policy `precision`."""
        keras.config.set_dtype_policy(precision)
        network = get_embedding(self.options.model, self.info, self.options.bn)
        try:
            network.load_weights(self.folder.final_weights)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{self.folder.final_weights} cannot be read: {reason}") from error
        return network

    def test_images(self, limit=None):
        """Returns the first `limit` images of the test classes, None for all."""
        options = self.options
        train_classes = options.train_classes
        parts = class_disjoint.load(options.dataset, train_classes=train_classes, **self.reading)
        return parts[2].take(limit)

    def attack(self, steps=None):
        """Returns the `PGD` of the ES attack with `steps` steps, None for those of the run."""
        options = self.options
        return config.attack(options, steps or options.eval_steps, options.eval_step_size)

    @property
    def facts(self):
        """What the records of all its measurements say."""
        options = self.options
        return {
            "dataset": options.dataset,
            "method": config.title(options),
            "training_seed": options.seed,
        }
