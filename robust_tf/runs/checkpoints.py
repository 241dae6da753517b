"""Checkpoints that survive being killed: written beside, then renamed; a torn one is skipped."""

import concurrent.futures
import json
import pathlib
import re
import shutil
import warnings

import tensorflow as tf

from robust_tf.errors import RunError, reason_of
from robust_tf.results import atomic, digest

INTERVAL = "interval.json"
_MISSING = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_DAMAGED = (*_MISSING, tf.errors.OpError, AssertionError, ValueError, IndexError, KeyError)


class Checkpoints:
    """The last `keep` states of a model in `directory`, one folder `step-<n>` each.

    A state is everything TensorFlow tracks below the model: network, optimiser slots, counters of
    the defense. `interval.json` stores what TensorFlow does not track: metric accumulators,
    elapsed seconds, and at the end of an interval the work that is still due. A digest file knows
    the step and every file.

    The tensors are written while nothing changes them. A slow disk is waited for during the next
    updates.

    Args:
        directory: path; made when the first state is saved.
        model: compiled `keras.Model` whose optimiser is built.
        keep: how many states stay on disk.
        writes: whether this process changes the directory; of several workers only the chief does.
    """

    def __init__(self, directory, model, keep=3, writes=True):
        self.directory = pathlib.Path(directory)
        self.keep = keep
        self.writes = writes
        self._model = model
        self._checkpoint = tf.train.Checkpoint(model=model)
        self._sums = tf.function(self._read_sums, autograph=False)
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._published = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        with self._thread:  # which ends, too
            self.wait()

    def steps(self):
        """Returns the steps with a saved state, ascending."""
        self.wait()
        return self._steps()

    def save(self, step, seconds=0.0, due=None):
        """Saves the state after `step` updates and removes the oldest ones.

        The state has its name once `wait` has returned.

        Args:
            step: int.
            seconds: time that the interval has taken so far.
            due: dict for JSON, see `due`.
        """
        self.wait()
        # Each of several workers must ask, for what all of them hold.
        sums = [one if len(one) > 1 else one[0] for one in self._sums().numpy().tolist()]
        if not self.writes:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._folder(step).exists():
            return
        partial = self.directory / f"{folder_name(step)}.partial"
        for left in self.directory.glob("*.partial"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=left != partial)  # see `_publish`
        self._checkpoint.write(str(partial / "state"))
        interval = {"sums": sums, "seconds": seconds, "due": due}
        (partial / INTERVAL).write_text(json.dumps(interval), "utf-8")
        self._published = self._thread.submit(self._publish, step, partial)

    def wait(self):
        """Waits until all saved states are on the disk; raises the error that kept one from it."""
        published, self._published = self._published, None
        if published is not None:
            published.result()

    def restore_latest(self):
        """Restores the newest readable state; returns its step, 0 where no state was saved.

        Raises:
            RunError: the file system refuses a file or fails, which says nothing of the state; or
                no state can be read. All are left as they are.
        """
        variables = [*self._model.variables, *self._model.optimizer.variables]
        untouched = [variable.numpy() for variable in variables]
        damaged = {}
        for step in reversed(self.steps()):
            try:
                self._require_unchanged(step)
                self._interval(step)
                status = self._checkpoint.read(str(self._folder(step) / "state"))
                status.assert_existing_objects_matched()
            except _DAMAGED as error:
                damaged[step] = reason_of(error)[:200]
                # Some tensors may have been read before the damage was met.
                for variable, value in zip(variables, untouched):
                    variable.assign(value)
            except OSError as error:
                raise RunError(
                    f"checkpoint {self._folder(step)} cannot be read now ({reason_of(error)}); it "
                    "is left as it is, and the same command tries again"
                ) from error
            else:
                for other, reason in damaged.items():
                    self._set_aside(other, reason)
                return step
        if damaged:
            raise RunError(
                f"none of the checkpoints in {self.directory} can be read "
                f"({next(iter(damaged.values()))}); restore one, or remove the folder to begin "
                "the training anew"
            )
        return 0

    def resume_interval(self, step):
        """Gives the model the sums of the metrics that were saved with a state.

        Returns:
            The seconds that its interval had taken; None of a state that an older version saved.
        """
        sums, seconds = self._interval(step)
        strategy = self._model.distribute_strategy
        replicas = strategy.num_replicas_in_sync

        def assign():
            own = tf.distribute.get_replica_context().replica_id_in_sync_group
            # An older version had no metrics of validation, which come last.
            for variable, copies in zip(self._metric_variables(), sums):
                if len(copies) != replicas:
                    # After a change of the devices the first one holds what all of them held.
                    copies = [sum(copies)] + [0.0] * (replicas - 1)
                variable.assign(tf.gather(tf.constant(copies, variable.dtype), own))

        tf.function(strategy.run, autograph=False)(assign)
        return seconds

    def due(self, step):
        """Returns the dict that `save` was given: what was still to do after the step, or None."""
        path = self._folder(step) / INTERVAL
        return json.loads(path.read_bytes()).get("due") if path.exists() else None

    def _publish(self, step, partial):
        files = {path.name: digest.of_file(path) for path in sorted(partial.iterdir())}
        digest.write(partial / digest.NAME, {"step": step, "files": files})
        atomic.rename(partial, self._folder(step))
        for old in self._steps()[: -self.keep]:
            # On NFS a file that another process reads keeps its folder; the next save tries again.
            shutil.rmtree(self._folder(old), ignore_errors=True)

    def _require_unchanged(self, step):
        """Raises ValueError if a state is not what was saved under its name."""
        written = digest.read(self._folder(step) / digest.NAME)
        if written.get("step", step) != step:
            raise ValueError(f"it is of step {written['step']}")
        for name, known in written.get("files", {}).items():
            if digest.of_file(self._folder(step) / name) != known:
                raise ValueError(f"{name} has changed since it was written")

    def _interval(self, step):
        """(sums, seconds) beside a state; ([], None) of a state that an older version saved."""
        path = self._folder(step) / INTERVAL
        if not path.exists():
            return [], None
        try:
            left = json.loads(path.read_bytes())
            sums = [one if isinstance(one, list) else [one] for one in left["sums"]]
            return [[float(part) for part in one] for one in sums], float(left["seconds"])
        except TypeError as error:
            raise ValueError(f"{INTERVAL}: {error}") from error

    def _set_aside(self, step, reason):
        warnings.warn(
            f"checkpoint {self._folder(step)} cannot be read ({reason}); it is set aside and the "
            "one before it is used",
            stacklevel=2,
        )
        if not self.writes:
            return
        torn = self._folder(step).with_suffix(".torn")
        shutil.rmtree(torn, ignore_errors=True)  # from an earlier damage
        self._folder(step).rename(torn)

    def _read_sums(self):
        """The variables of the metrics on all replicas of all workers, float64 [n, replicas].

        Replicas add up apart, and numbers round otherwise in another order.
        """
        strategy, variables = self._model.distribute_strategy, self._metric_variables()
        if not variables:
            return tf.zeros([0, strategy.num_replicas_in_sync])
        own = strategy.run(lambda: tf.stack([tf.cast(v, tf.float64) for v in variables])[None])
        return tf.transpose(strategy.gather(own, axis=0))

    def _metric_variables(self):
        return [variable for metric in self._model.metrics for variable in metric.variables]

    def _steps(self):
        names = [path.name for path in self.directory.glob("step-*")]
        return sorted(int(name[5:]) for name in names if re.fullmatch(r"step-\d{8,}", name))

    def _folder(self, step):
        return self.directory / folder_name(step)


def folder_name(step):
    """Returns the name of the folder of the state after `step` updates."""
    return f"step-{step:08d}"
