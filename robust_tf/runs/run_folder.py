"""The folder of a run: its flags, its identity, its metrics."""

import contextlib
import pathlib
import warnings

from robust_tf.data.image_identity import in_words
from robust_tf.errors import UNREADABLE, RunError, UserError, reason_of
from robust_tf.results import atomic, jsonl
from robust_tf.results.output_place import require_folder
from robust_tf.runs import lock, provenance
from robust_tf.runs.run_digest import CONFIG, RunDigest

# These belong to the final weights of one number of steps.
OF_THE_END = ("final.keras", "results.jsonl", "figures", "adversarial")


class RunFlags(dict):
    """The resolved flags of a run, name -> value or None.

    A flag that `path`, the run's config.json, lacks is a `UserError` that names it.
    """

    def __init__(self, flags, path):
        super().__init__(flags)
        self._path = path

    def __missing__(self, name):
        raise UserError(
            f"{self._path} lacks the flag --{name}; restore the file, or train again with another "
            "--workdir"
        )


class RunFolder:
    """Everything that one run writes.

    `flags.txt` (replayable with --flagfile), `config.json` (flags, facts of the data, segments),
    `digest.json`, `metrics.jsonl`, `tensorboard/`, `checkpoints/`, `best.keras` (with --held_out),
    `final.keras`, `results.jsonl`.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.final_weights = self.path / "final.keras"
        self.best_weights = self.path / "best.keras"
        self.results = self.path / "results.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self._metrics = self.path / "metrics.jsonl"
        self._digest = RunDigest(self.path)

    def check(self, run):
        """Finds whether the folder is free or this run's already; writes nothing.

        Args:
            run: `RunIdentity`.

        Raises:
            UserError: there can be no folder, or it holds something else, another run, or one that
                has gone further already.
        """
        if self._digest.has_config():
            self._refuse_other_run(run)
            return
        self.require_place()
        if self.path.exists():
            # More than what a killed process or a lock has left.
            if any(p.suffix != ".partial" and p.name != lock.NAME for p in self.path.iterdir()):
                raise UserError(
                    f"--workdir={self.path} is not empty and holds no run; name a new or empty "
                    "folder"
                )

    def require_place(self):
        """Raises UserError unless this is, or can become, a folder to write to."""
        require_folder("workdir", self.path)

    def claim(self, run, class_names=(), images=None, train_classes=None):
        """Makes the folder and writes the flags of the run that `check` has let through.

        The final files of a shorter run are renamed after its steps.

        Args:
            run: `RunIdentity`.
            class_names: names of the classes in the order of the logits.
            images: `DatasetInfo.identity` of the images.
            train_classes: names of the training classes that --train_classes gave, or None.

        Raises:
            UserError: the run has metrics and no checkpoint to go on from.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for left in self.path.glob("*.partial"):  # by a process that was killed
            if left.is_file():  # an export has a folder
                left.unlink()
        flags = run.flags
        known = self._digest.has_config()
        steps = self.read_flags()["train_steps"] if known else flags["train_steps"]
        if steps < flags["train_steps"] or not self.final_weights.exists():
            self._require_checkpoint()  # before anything is renamed
        for end in map(self.path.joinpath, OF_THE_END):
            if steps < flags["train_steps"] and end.exists():
                self._digest.move(end, end.with_stem(f"{end.stem}-step-{steps:08d}"))
        config = {"flags": dict(flags), "class_names": list(class_names), "images": images}
        if train_classes is not None:
            config["train_classes"] = list(train_classes)
        # First: a disk that is full now must not leave a folder that seems to hold no run.
        self._digest.write_config({**config, "segments": self.segments() if known else []})
        if run.flagfile:
            atomic.write(self.path / "flags.txt", run.flagfile)

    def read_config(self):
        """Returns config.json as a dict with `RunFlags`; UserError where there is none.

        What was changed in it is named, and what the training wrote is returned.
        """
        try:
            config = self._digest.read_config()
            return {**config, "flags": RunFlags(config["flags"], self.path / CONFIG)}
        except PermissionError as error:
            raise UserError(f"{error.filename} cannot be read: no permission") from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{self.path} holds no run (no config.json of one in it)") from error

    def read_flags(self):
        """Returns the flags of the run in this folder; UserError where there is none."""
        return self.read_config()["flags"]

    def segments(self):
        """Returns what the training ran under, see `provenance.segments`."""
        return provenance.segments(self.read_config())

    def begin_segment(self, done):
        """Keeps what this process trains under, which goes on after `done` updates.

        A warning names what differs from before: one process would have ended in other weights.
        """
        now = provenance.provenance()
        before = [segment for segment in self.segments() if segment["after"] < done]
        changed = before and provenance.changes(before[-1], now)
        if changed:
            warnings.warn(
                f"{self.path} goes on under other conditions: {'; '.join(changed)}", stacklevel=2
            )
        if changed or not before:
            segments = [*before, {"after": done, **now}]
            self._digest.write_config({**self._digest.read_config(), "segments": segments})

    def require_classes(self, class_names):
        """Raises UserError if the run in this folder, if any, was trained on other classes."""
        known = self._stored("class_names") or list(class_names)
        if list(class_names) != known:
            raise UserError(
                f"the run in {self.path} knows the {len(known)} classes {', '.join(known[:5])} "
                f"..., the data given now have {len(class_names)}: {', '.join(class_names[:5])} ..."
            )

    def other_images(self, images):
        """Returns how the images of the run in this folder, if any, differ, in words; else "".

        Args:
            images: `DatasetInfo.identity` of the images given now.
        """
        known = self._stored("images")
        if not known or known == images:
            return ""
        return f"of other images ({in_words(known)}) than those given now ({in_words(images)})"

    def require_images(self, images):
        """Raises UserError if the run in this folder, if any, was trained on other images."""
        if other := self.other_images(images):
            raise UserError(
                f"the run in {self.path} is {other}; give it its own or another --workdir"
            )

    def read_train_classes(self):
        """Returns the names of the classes that --train_classes gave the run, None without it."""
        return self._stored("train_classes")

    def require_train_classes(self, names):
        """Raises UserError if the run in this folder, if any, was given other training classes."""
        known = self.read_train_classes()
        if known and set(known) != set(names):
            differing = sorted(set(known).symmetric_difference(names))
            raise UserError(
                f"the run in {self.path} has other training classes than the file of "
                f"--train_classes now, which differs in {', '.join(differing[:5])}; restore the "
                "file or name another --workdir"
            )

    def save_network(self, network, path):
        """Writes a network, beside first and then renamed; `path` is one of this folder's."""
        beside = self.path / "partial.keras"
        beside.unlink(missing_ok=True)  # a link would be written through
        network.save(beside)
        self._digest.replace(beside, path)

    def damage(self, path):
        """Returns the damage of weights of this folder in words, "" without any."""
        return self._digest.damage(path)

    @contextlib.contextmanager
    def reading(self, path):
        """Lets weights of this folder be read in a `with` block; RunError if they are damaged."""
        remedy = "restore it, or train again with another --workdir"
        if path == self.final_weights:
            remedy = "without it the command of its training makes it again"
        if damage := self.damage(path):
            raise RunError(f"{path} cannot be read: it {damage}; {remedy}")
        try:
            yield
        except UNREADABLE as error:
            raise RunError(f"{path} cannot be read: {reason_of(error)}; {remedy}") from error

    def load_weights(self, network, path):
        """Puts weights of this folder, moving statistics included, into a network.

        Raises:
            RunError: there are none, they are damaged, or of another network.
        """
        with self.reading(path):
            network.load_weights(path)

    def read_metrics(self):
        """Returns the lines of metrics.jsonl as dicts, one a step, in their order.

        Damaged lines are left out, see `jsonl`. Of several lines of a step, which two processes in
        one folder wrote before there was a lock, the last holds.
        """
        lines = {}
        for record in jsonl.read(self._metrics):
            if isinstance(step := record.get("step"), int):
                lines[step] = record
        return [lines[step] for step in sorted(lines)]

    def log_metrics(self, record):
        """Appends one line to metrics.jsonl."""
        jsonl.append(self._metrics, [record])

    def forget_metrics_after(self, step):
        """Drops the lines of updates that a resumed run is about to repeat."""
        kept = [record for record in self.read_metrics() if record["step"] <= step]
        if self._metrics.exists():
            atomic.write(self._metrics, jsonl.text(kept))

    def _stored(self, name):
        return self.read_config().get(name) if self._digest.has_config() else None

    def _require_checkpoint(self):
        """A run of days that a cluster starts again must go on, or say why it cannot."""
        if not any(self.checkpoints.glob("step-*[0-9]")) and (lines := self.read_metrics()):
            raise UserError(
                f"{self.checkpoints} has no checkpoint of the {lines[-1]['step']:,} updates in "
                "metrics.jsonl; restore it, or remove that file to begin the training anew"
            )

    def _refuse_other_run(self, run):
        before, flags = self.read_flags(), run.flags
        differing = [
            f"--{name} was {_given(old)}, is {_given(new)}"
            for name, old, new in run.differences(before)
        ]
        if differing:
            raise UserError(
                f"--workdir={self.path} holds another run: {'; '.join(differing)}. "
                "Use its flags or another --workdir"
            )
        if flags["train_steps"] < before["train_steps"]:
            raise UserError(
                f"--workdir={self.path} holds a run of {before['train_steps']} steps; "
                f"--train_steps={flags['train_steps']} may only grow"
            )


def _given(value):
    """A value as it is typed."""
    if value is None:
        return "not given"
    return ",".join(value) if isinstance(value, list) else value
