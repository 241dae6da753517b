"""A run folder whose training has ended: its flags, its data, its weights."""

import functools
import os
import shlex
import warnings

import keras

from robust_tf import data
from robust_tf.errors import UserError, require_pixel_change
from robust_tf.runs import provenance
from robust_tf.runs.run_folder import RunFolder
from robust_tf.threat_model import ThreatModel, format_magnitude, parse_magnitude
from robust_tf.training.strategy import keep_float32


def attacked_ball(own_eps, own_norm, eps=None, norm=None):
    """Returns the `ThreatModel` of an evaluation.

    Args:
        own_eps, own_norm: radius and norm of the training or of a profile; a radius may be text.
        eps, norm: flags of the evaluation; None: as its own.

    Raises:
        UserError: another norm without a radius, an L-infinity radius above 1.
    """
    radius = parse_magnitude(own_eps if eps is None else eps)
    if eps is None and norm not in (None, own_norm):
        raise UserError(
            f"--norm={norm} needs --eps: {format_magnitude(radius)} is a radius in {own_norm}"
        )
    norm = norm or own_norm
    if norm == "linf":
        require_pixel_change(f"--eps={radius:g}", f"{radius:g}", radius)
    return ThreatModel(radius, norm)


class FinishedRun:
    """Reads a run folder. A subclass sets `command` and `own_flag` and builds the network.

    Args:
        workdir: path of the folder.
        data_dir: where the data are now; None means where they were.

    Attributes:
        folder: `RunFolder`.
        flags: dict of the resolved flags of the training, name -> value or None.
        dataset: `robust_tf.data.Dataset`.
        info: `DatasetInfo` of the run's data.

    Raises:
        UserError: no run there, a run of another command, no final weights yet, or data with other
            classes.
    """

    command: str  # that trains such runs, as in python -m COMMAND
    own_flag: str  # a flag that no other command has
    train_classes = None  # names of the training classes, where --train_classes gave them

    def __init__(self, workdir, data_dir=None):
        self.folder = RunFolder(workdir)
        self.flags = self.folder.read_flags()
        if self.own_flag not in self.flags:
            raise UserError(f"{workdir} holds a run of another command than {self.command}")
        place = self.flags.get("data_dir")
        if place and not data_dir and not os.path.exists(os.path.expanduser(place)):
            raise UserError(
                f"the training read its images from {place}, which is not there (seen from this "
                "folder); name their place: --data_dir=DIR"
            )
        self.dataset = data.of_run(self.flags, data_dir)
        self.info = self.dataset.info
        self.folder.require_classes(self.info.class_names)
        if other := self.folder.other_images(self.info.identity):
            # Other images make a valid test, unless the network was trained on them.
            text = f"the run is {other}; make sure that none of the test images was trained on"
            warnings.warn(text, stacklevel=2)
        if not self.folder.final_weights.exists():
            raise UserError(f"{workdir} has no final weights yet; finish it with {self._again()}")

    def _again(self):
        """The command that goes on with the training."""
        parts = ["python", "-m", self.command, f"--flagfile={self.folder.path / 'flags.txt'}"]
        if self.dataset.data_dir is not None:
            parts.append(f"--data_dir={self.dataset.data_dir}")
        return shlex.join([*parts, f"--workdir={self.folder.path}"])

    def test_images(self, limit=None):
        """Returns the first `limit` test images, `Examples`; None for all."""
        return self.dataset.load("test", limit)

    @functools.cached_property
    def segments(self):
        """What its records say: the parts of the training, in words, where it has several."""
        segments = self.folder.segments()
        return tuple(provenance.in_words(segments)) if len(segments) > 1 else ()

    @property
    def facts(self):
        """What the records of all its measurements say, see `shared_fields`."""
        seed, segments = self.flags["seed"], self.segments
        dataset, method = self.info.name, self.method
        return {"dataset": dataset, "method": method, "training_seed": seed, "segments": segments}

    @property
    def method(self):
        """Name of the training method in records."""
        raise NotImplementedError

    def build_network(self):
        """Returns the network of the run, untrained."""
        raise NotImplementedError

    def network(self, precision="float32"):
        """Builds the trained network under the Keras policy `precision`, see `keep_float32`."""
        keep_float32()
        keras.config.set_dtype_policy(precision)
        network = self.build_network()
        self.load_weights(network)
        return network

    def load_weights(self, network):
        """Puts the trained weights, moving statistics included, into `network`."""
        self.folder.load_weights(network, self.folder.final_weights)
