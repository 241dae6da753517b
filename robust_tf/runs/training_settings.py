"""The settings of a training run as plain values."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from robust_tf.runs.run_identity import RunIdentity
from robust_tf.training.learning_rate import learning_rate
from robust_tf.training.optimizer import make_optimizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of every training run; a package adds its own.

    Attributes:
        run_identity: `RunIdentity`, by which the folder knows the run.
        workdir: path of the run folder.
        notes: lines for the plan, on what the settings do that one may not expect.
        defense: the training method with its hyper-parameters; `build(network)` makes the model.
        model: name of the network.
        seed: Seed of weights, batches and all draws.
        batch_size: images of an update, over all replicas.
        train_steps, checkpoint_every: updates in all, and between checkpoints.
        save_every_minutes, keep_checkpoints: see `fitting.train`.
        learning_rates, boundaries, schedule, warmup_steps: see `learning_rate`.
        optimizer, ema: see `make_optimizer`.
        init_from: folder of a run whose weights the training starts from, or None.
        limit_train, limit_test: how many of the first images are used; None for all.
        held_out: number of training images that are kept out.
        eval_batch_size: images of an evaluated batch.
        strategy, logical_cpus: see `make_strategy`.
        precision: Keras policy.
        jit_compile: see `use_xla`.
        deterministic: see `use_determinism`.
        profile_steps: first and last update of the `Profile`; empty for none.
    """

    run_identity: RunIdentity
    workdir: str
    defense: Any
    model: str
    seed: int
    batch_size: int
    train_steps: int
    checkpoint_every: int
    learning_rates: Sequence[float]
    boundaries: Sequence[int] = ()
    schedule: str | None = None
    warmup_steps: int | None = None
    optimizer: str = "adam"
    ema: float | None = None
    init_from: str | None = None
    save_every_minutes: float = 10.0
    keep_checkpoints: int = 3
    limit_train: int | None = None
    limit_test: int | None = None
    held_out: int = 0
    eval_batch_size: int = 128
    strategy: str = "auto"
    logical_cpus: int = 1
    precision: str = "float32"
    jit_compile: str = "auto"
    deterministic: str = "auto"
    profile_steps: Sequence[int] = ()
    notes: Sequence[str] = ()

    def make_optimizer(self):
        """Returns the Keras optimiser."""
        rate = learning_rate(
            self.learning_rates,
            self.boundaries,
            self.schedule,
            self.train_steps,
            self.warmup_steps,
        )
        return make_optimizer(rate, self.optimizer, self.ema)
