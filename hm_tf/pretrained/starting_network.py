"""The network and the data of a training that has not begun, as analyses see a finished run."""

import keras

from hm_tf.pretrained.initial_weights import load_initial_weights
from robust_tf import data
from robust_tf.data import class_disjoint
from robust_tf.models.embedding_registry import get_embedding


class StartingNetwork:
    """The first weights of a training.

    Args:
        flags: dict of the resolved flags of the training, name -> value or None.

    Attributes:
        flags: as given.
        info: `DatasetInfo` of the data.
        facts: dict of dataset, method and training_seed of its records.
    """

    def __init__(self, flags):
        self.flags = flags
        self._dataset = data.of_run(flags)
        self.info = self._dataset.info
        self.facts = {
            "dataset": flags["dataset"],
            "method": f"untrained, {flags['init_weights']}",
            "training_seed": flags["seed"],
        }

    def training_images(self):
        """Returns the images of the training classes, `Examples`."""
        return class_disjoint.load_side(self._dataset, "train")

    def network(self):
        """Returns the network with its first weights."""
        keras.utils.set_random_seed(self.flags["seed"])
        network = get_embedding(self.flags["model"], self.info, self.flags["bn"])
        load_initial_weights(network, self.flags["init_weights"])
        return network
