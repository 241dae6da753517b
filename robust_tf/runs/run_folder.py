"""The folder of a run: its flags, its identity, its metrics."""

import json
import pathlib
import subprocess

import robust_tf
from robust_tf.data.image_identity import in_words
from robust_tf.errors import UserError
from robust_tf.results import atomic, jsonl
from robust_tf.results.output_place import require_folder
from robust_tf.results.result import versions

# What belongs to the final weights, and would pass for a part of others.
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

    `flags.txt` (replayable with --flagfile), `config.json` (flags, versions, commit),
    `metrics.jsonl`, `tensorboard/`, `checkpoints/`, `best.keras` (with --held_out), `final.keras`,
    `results.jsonl`.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.final_weights = self.path / "final.keras"
        self.best_weights = self.path / "best.keras"
        self.results = self.path / "results.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self._metrics = self.path / "metrics.jsonl"
        self._config = self.path / "config.json"

    def check(self, run):
        """Finds whether the folder is free or this run's already; writes nothing.

        Args:
            run: `RunIdentity`.

        Raises:
            UserError: there can be no folder, or it holds something else, another run, or one that
                has gone further already.
        """
        require_folder("workdir", self.path)
        if self._config.exists():
            self._refuse_other_run(run)
        elif self.path.exists() and any(p.suffix != ".partial" for p in self.path.iterdir()):
            raise UserError(
                f"--workdir={self.path} is not empty and holds no run; name a new or empty folder"
            )

    def claim(self, run, class_names=(), images=None, train_classes=None):
        """Makes the folder and writes the flags of the run that `check` has let through.

        With the weights alone nobody could tell later which logit is which of `class_names`, nor,
        of a user's own, which `images` they were trained on (`DatasetInfo.identity`), nor, once the
        file of --train_classes has changed, on which classes.
        What a shorter run ended in keeps its steps in its name: it is not the end of this one.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        flags = run.flags
        steps = self.read_flags()["train_steps"] if self._config.exists() else flags["train_steps"]
        for end in map(self.path.joinpath, OF_THE_END):
            if steps < flags["train_steps"] and end.exists():
                end.rename(end.with_stem(f"{end.stem}-step-{steps:08d}"))
        config = {"flags": dict(flags), "versions": versions(), "commit": _commit()}
        config.update(class_names=list(class_names), images=images)
        if train_classes is not None:
            config["train_classes"] = list(train_classes)
        # First: a disk that is full now must not leave a folder that seems to hold no run.
        atomic.write(self._config, json.dumps(config, indent=2) + "\n")
        if run.flagfile:
            atomic.write(self.path / "flags.txt", run.flagfile)

    def read_flags(self):
        """Returns the flags of the run in this folder; UserError where there is none."""
        try:
            return RunFlags(json.loads(self._config.read_text())["flags"], self._config)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.path} holds no run (no config.json of one in it)") from error

    def require_classes(self, class_names):
        """Raises UserError if the run in this folder, if any, was trained on other classes."""
        known = self._stored("class_names") or list(class_names)
        if list(class_names) != known:
            raise UserError(
                f"the run in {self.path} knows the {len(known)} classes {', '.join(known[:5])} "
                f"..., the data given now have {len(class_names)}: {', '.join(class_names[:5])} ..."
            )

    def read_images(self):
        """Returns the `DatasetInfo.identity` of the run in this folder; None where none is kept."""
        return self._stored("images")

    def require_images(self, images):
        """Raises UserError if the run in this folder, if any, was trained on other images.

        Args:
            images: `DatasetInfo.identity` of those given now.
        """
        known = self.read_images()
        if known and known != images:
            raise UserError(
                f"the run in {self.path} is of other images ({in_words(known)}) than those given "
                f"now ({in_words(images)}); give it its own or another --workdir"
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
        network.save(beside)
        atomic.rename(beside, path)

    def read_metrics(self):
        """Returns the lines of metrics.jsonl as dicts; damaged lines are left out, see `jsonl`."""
        return [record for record in jsonl.read(self._metrics) if "step" in record]

    def log_metrics(self, record):
        """Appends one line to metrics.jsonl."""
        jsonl.append(self._metrics, [record])

    def forget_metrics_after(self, step):
        """Drops the lines of updates that a resumed run is about to repeat."""
        kept = [record for record in self.read_metrics() if record["step"] <= step]
        if self._metrics.exists():
            atomic.write(self._metrics, jsonl.text(kept))

    def _stored(self, name):
        config = json.loads(self._config.read_text()) if self._config.exists() else {}
        return config.get(name)

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


def _commit():
    """Returns the commit of the checkout this package runs from, None outside of one."""
    checkout = pathlib.Path(robust_tf.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
