"""Checkpoints that survive being killed: written beside, then renamed; a torn one is skipped."""

import json
import pathlib
import shutil
import warnings

import keras
import tensorflow as tf

from robust_tf.results import atomic

INTERVAL = "interval.json"


class Checkpoints:
    """The last `keep` states of a model in `directory`, one folder `step-<n>` each.

    A state is everything TensorFlow tracks below the model: network, optimiser slots, counters of
    the defense. TensorFlow stores a checksum with every tensor, so damage is found when reading.
    Beside it lies what of the interval TensorFlow does not track: the sums that the means shown
    are made of, and its seconds.

    Args:
        directory: path; made when the first state is saved.
        model: compiled `keras.Model` whose optimiser is built.
        keep: how many states stay on disk.
    """

    def __init__(self, directory, model, keep=3):
        self.directory = pathlib.Path(directory)
        self.keep = keep
        self._model = model
        self._checkpoint = tf.train.Checkpoint(model=model)

    def steps(self):
        """Returns the steps with a saved state, ascending."""
        folders = self.directory.glob("step-*[0-9]")
        return sorted(int(folder.name.removeprefix("step-")) for folder in folders)

    def save(self, step, seconds=0.0):
        """Saves the state after `step` updates and removes the oldest ones.

        Args:
            step: int.
            seconds: that the interval has taken up to here.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        final = self._folder(step)
        if final.exists():
            return
        partial = final.with_name(final.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self._checkpoint.write(str(partial / "state"))
        sums = [float(keras.ops.convert_to_numpy(value)) for value in self._metric_variables()]
        (partial / INTERVAL).write_text(json.dumps({"sums": sums, "seconds": seconds}))
        atomic.rename(partial, final)
        for old in self.steps()[: -self.keep]:
            shutil.rmtree(self._folder(old))

    def restore_latest(self):
        """Restores the newest readable state; returns its step, 0 where there is none."""
        variables = [*self._model.variables, *self._model.optimizer.variables]
        untouched = [variable.numpy() for variable in variables]
        for step in reversed(self.steps()):
            try:
                status = self._checkpoint.read(str(self._folder(step) / "state"))
                status.assert_existing_objects_matched()
                return step
            except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
                reason = str(error).splitlines()[0][:200]
                warnings.warn(
                    f"checkpoint {self._folder(step)} cannot be read ({reason}); "
                    "it is set aside and the one before it is used",
                    stacklevel=2,
                )
                self._folder(step).rename(self._folder(step).with_suffix(".torn"))
                # Some tensors may have been read before the damage was met.
                for variable, value in zip(variables, untouched):
                    variable.assign(value)
        return 0

    def resume_interval(self, step):
        """Gives the model the sums of the metrics that were saved with a state.

        Returns:
            The seconds that its interval had taken; None of a state that an older version saved.
        """
        path = self._folder(step) / INTERVAL
        if not path.exists():
            return None
        left = json.loads(path.read_text())
        # An older version had no metrics of validation, which come last.
        for variable, value in zip(self._metric_variables(), left["sums"]):
            variable.assign(value)
        return left["seconds"]

    def _metric_variables(self):
        return [variable for metric in self._model.metrics for variable in metric.variables]

    def _folder(self, step):
        return self.directory / f"step-{step:08d}"
