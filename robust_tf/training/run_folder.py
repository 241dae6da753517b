"""The folder of a run: its flags, its identity, its metrics."""

import json
import pathlib
import subprocess

import robust_tf
from robust_tf.errors import UserError
from robust_tf.evaluation.records import versions

# Flags that leave the mathematics of a run as it is. All others make its identity.
NOT_IDENTITY = frozenset(
    {"workdir", "data_dir", "train_steps", "limit_test", "strategy", "logical_cpus"}
    | {"checkpoint_every", "eval_attacks", "eval_batch_size"}
)


class RunFolder:
    """Everything that one run writes.

    `flags.txt` (replayable with --flagfile), `config.json` (flags, versions, commit),
    `metrics.jsonl`, `tensorboard/`, `checkpoints/`, `final.keras`, `results.jsonl`.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.final_weights = self.path / "final.keras"
        self.results = self.path / "results.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self._metrics = self.path / "metrics.jsonl"
        self._config = self.path / "config.json"

    def check(self, flags):
        """Finds whether the folder is free or this run's already; writes nothing.

        Args:
            flags: dict of the resolved flags, name -> value or None.

        Raises:
            UserError: the folder holds another run, or one that has gone further already.
        """
        if self._config.exists():
            self._refuse_other_run(flags)
        elif self.path.exists() and any(self.path.iterdir()):
            raise UserError(
                f"--workdir={self.path} is not empty and holds no run; name a new or empty folder"
            )

    def claim(self, flags):
        """Makes the folder and writes the flags of the run that `check` has let through."""
        self.path.mkdir(parents=True, exist_ok=True)
        lines = [f"--{name}={value}" for name, value in flags.items() if value is not None]
        _write_then_rename(self.path / "flags.txt", "\n".join(lines) + "\n")
        config = {"flags": flags, "versions": versions(), "commit": _commit()}
        _write_then_rename(self._config, json.dumps(config, indent=2) + "\n")

    def read_flags(self):
        """Returns the flags of the run in this folder; UserError where there is none."""
        if not self._config.exists():
            raise UserError(f"--workdir={self.path} holds no run (no config.json in it)")
        return json.loads(self._config.read_text())["flags"]

    def save_final(self, network):
        """Writes the trained network to `final.keras`, beside first and then renamed."""
        beside = self.path / "partial.keras"
        network.save(beside)
        beside.rename(self.final_weights)

    def log_metrics(self, record):
        """Appends one line to metrics.jsonl."""
        with self._metrics.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def forget_metrics_after(self, step):
        """Drops the lines of updates that a resumed run is about to repeat."""
        if not self._metrics.exists():
            return
        kept = []
        for line in self._metrics.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except json.JSONDecodeError:
                continue  # a line that was cut off when the run was killed
        _write_then_rename(self._metrics, "".join(line + "\n" for line in kept))

    def _refuse_other_run(self, flags):
        before = self.read_flags()
        names = sorted((before.keys() | flags.keys()) - NOT_IDENTITY)
        differing = [
            f"--{name} was {before.get(name)}, is {flags.get(name)}"
            for name in names
            if before.get(name) != flags.get(name)
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


def _write_then_rename(path, text):
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text)
    beside.rename(path)


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
