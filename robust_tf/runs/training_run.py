"""One training run, from its settings to an evaluated run folder."""

import contextlib
import math
import shlex
import warnings

import keras
import tensorflow as tf

from robust_tf.errors import SIGNALLED, UserError
from robust_tf.results import digest
from robust_tf.results.cache import examples_hash
from robust_tf.results.result import versions
from robust_tf.runs import fitting, lock, provenance
from robust_tf.runs.checkpoints import folder_name
from robust_tf.runs.fine_tuning import start_from
from robust_tf.runs.profiling import Profile
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.speed import Speed
from robust_tf.training import strategy, workers
from robust_tf.training.passes import forward_flop

XLA_LEFT_OUT = "--deterministic=true: without XLA, in training and in the evaluation after it"


class TrainingRun:
    """Checks, trains, measures and reports; a package says what it trains.

    A subclass overrides the methods below the line.

    Args:
        dataset: `robust_tf.data.Dataset`.
        settings: `TrainingSettings`.

    Attributes:
        xla: whether XLA compiles the attacks, and on one device the whole train step; known after
            `check`.
    """

    train_classes = None  # names of the training classes, where --train_classes gives them
    _xla_left_out = False
    _origin = None  # a line on the first weights, where they come from another run

    def __init__(self, dataset, settings):
        self.dataset, self.info = dataset, dataset.info
        self.settings = settings
        self.folder = RunFolder(settings.workdir)

    def check(self):
        """Raises the `UserError` of every mistake that can be known before the work starts."""
        settings = self.settings
        # First, since the processor cannot be divided any more once TensorFlow has run anything.
        self.strategy = strategy.make_strategy(
            settings.strategy, settings.batch_size, settings.logical_cpus, self.shard_size()
        )
        self.worker = workers.worker_of(self.strategy)
        self._require_same_start()
        self.check_method()
        if self.worker.is_chief:  # who may have begun the folder before the others look
            self.folder.check(settings.run_identity)
            if not self.finished():  # to reprint a result nothing is written
                self.folder.require_place()
        self.folder.require_classes(self.info.class_names)
        self.folder.require_images(self.info.identity)
        self.folder.require_train_classes(self.train_classes)
        self.model = self._build()

    def finished(self):
        """Whether the folder holds the final weights of as many updates, and all their results."""
        if not self.folder.final_weights.exists():
            return False
        steps = self.folder.read_flags()["train_steps"]
        whole = not self.folder.damage(self.folder.final_weights)
        return whole and steps >= self.settings.train_steps and not self.unmeasured()

    def plan(self):
        """Returns the plan of the training, in a few lines; reads the images, to count them."""
        settings, defense = self.settings, self.settings.defense
        images = settings.train_steps * settings.batch_size
        passes = images / len(self.images[0])
        parameters = sum(math.prod(v.shape) for v in self.model.trainable_variables)
        replicas = self.strategy.num_replicas_in_sync
        shared = f" on {replicas} replicas" if replicas > 1 else ""
        lines = (
            f"{self.describe_data()}\n"
            f"{defense.title}, {defense.threat_model}, on {settings.model} "
            f"({parameters:,} parameters)\n"
            f"{settings.train_steps:,} updates of {settings.batch_size} images{shared} "
            f"({images:,} images, {passes:.1f} passes), checkpoint every "
            f"{settings.checkpoint_every:,}; Keras counts these stretches as epochs\n"
            f"run folder {self.folder.path}"
        )
        left_out = XLA_LEFT_OUT if self._xla_left_out else None
        notes = *settings.notes, left_out, self._idle(), self._origin
        return "\n".join([lines, *filter(None, notes)])

    def report(self):
        """Returns the results as a table, the run folder, and what to do next."""
        folder = self.folder.path
        following = "\n      ".join(self.next_commands(shlex.quote(str(folder))))
        return f"\n{self.results_table()}\n\nrun folder: {folder}\nnext: {following}"

    def flop(self):
        """Returns the FLOP of the training, its inner attack included."""
        images = self.settings.train_steps * self.settings.batch_size
        return images * self.passes().forwards * forward_flop(self.build_network())

    def train(self):
        """Trains and measures the rest of the run.

        Returns:
            0, or the number of the signal that stopped the training.
        """
        examples, test, held_out = self.images
        known = self.info.class_names, self.info.identity, self.train_classes
        agreement = workers.Agreement(self.strategy)
        parts = filter(None, (examples, held_out))
        agreement.require_equal(
            lambda: digest.of_json([known, *map(examples_hash, parts)]),
            "images and classes; give all the same data",
        )
        if self.worker.is_chief:
            self.folder.check(self.settings.run_identity)  # now that nobody else writes in it
            self.folder.claim(self.settings.run_identity, *known)
        if agreement.of_chief(lambda: not self.folder.final_weights.exists() or self._damaged()):
            done, stopped_by = self._fit(examples, held_out)
            if stopped_by:
                print(f"stopped after step {done}; the same command goes on from there")
                return stopped_by
            if self.worker.is_chief:
                self.keep_final(held_out)
        if self.worker.is_chief:  # of several workers alone, on its first device
            several = self.worker.count > 1
            with contextlib.nullcontext() if several else self.strategy.scope():
                self.measure(test)
        return 0

    def describe_data(self):
        """Returns a line on the data: how many images are used, and from where."""
        parts = zip(("train", "test", "held-out"), self.images, strict=True)
        counts = ", ".join(f"{name} {len(part):,}" for name, part in parts if part is not None)
        return self.dataset.describe(f"{counts} images")

    def _fit(self, examples, held_out):
        settings = self.settings
        speed = Speed(settings.batch_size, self.passes().attack_share)
        place, steps = self.folder.path / "profile", settings.profile_steps
        profile = [Profile(place, *steps)] if steps else []
        return fitting.train(
            self.model,
            lambda start, stop: speed.watched(self.batches(examples, start, stop)),
            self.folder,
            train_steps=settings.train_steps,
            checkpoint_every=settings.checkpoint_every,
            save_every_minutes=settings.save_every_minutes,
            keep_checkpoints=settings.keep_checkpoints,
            monitors=[speed, *profile, *self.monitors(held_out)],
        )

    def _require_same_start(self):
        """Raises RunError unless all workers have the same flags and the same code.

        Each would apply its own learning rate to gradients that its own attack has a part in.
        """
        agreement, flags = workers.Agreement(self.strategy), self.settings.run_identity.flagfile
        agreement.require_equal(lambda: digest.of_json(flags), "flags; give all the same command")
        agreement.require_equal(
            lambda: digest.of_json(versions()), "versions of Python and packages; install the same"
        )
        package = type(self).__module__.partition(".")[0]
        agreement.require_equal(
            lambda: provenance.code({"robust_tf", package}),
            "code; check out the same commit, with the same changes",
        )

    def _damaged(self):
        """Whether the final weights have to be made again; UserError where they cannot be."""
        final, steps = self.folder.final_weights, self.settings.train_steps
        if damage := self.folder.damage(final):
            if not (self.folder.checkpoints / folder_name(steps)).exists():
                raise UserError(
                    f"{final} {damage}, and there is no checkpoint of step {steps} to make it "
                    "again; restore the file, or train in another --workdir"
                )
            warnings.warn(f"{final} {damage}; it is made again", stacklevel=2)
        return bool(damage)

    def _idle(self):
        """A line on devices that are left out."""
        settings, used = self.settings, self.strategy.num_replicas_in_sync
        if settings.strategy != "auto":
            return None
        idle = len(strategy.all_devices(settings.logical_cpus)) - used
        if not idle:
            return None
        size = self.shard_size()
        shards = f" into whole shards of --shard_size={size}" if size > 1 else ""
        return (
            f"{used} of {used + idle} devices are used: more do not divide "
            f"--batch_size={settings.batch_size}{shards}"
        )

    def _build(self):
        settings = self.settings
        keras.utils.set_random_seed(settings.seed)
        xla = strategy.use_xla(settings.jit_compile)
        if deterministic := strategy.use_determinism(settings.deterministic, xla):
            # For the rest of the process: no public call switches it off for the evaluation.
            tf.config.experimental.enable_op_determinism()
        self.xla, self._xla_left_out = xla and not deterministic, xla and deterministic
        keras.config.set_dtype_policy(settings.precision)
        with self.strategy.scope():
            network = self.build_network()
            if not self.finished():  # where they come from may be gone by then
                self.set_first_weights(network)
            model = self.build_model(network)
            model.compile(optimizer=settings.make_optimizer(), jit_compile=self.xla)
        return model

    # What a package says.

    def shard_size(self):
        """Returns how many images must stay on one replica together."""
        return 1

    def check_method(self):
        """Raises the `UserError` of the flags of the method."""
        raise NotImplementedError

    def build_network(self):
        """Returns the network with random weights."""
        raise NotImplementedError

    def set_first_weights(self, network):
        """Puts the weights that the training starts from into the network."""
        if self.settings.init_from is not None:
            self._origin = start_from(network, self.settings.init_from)

    def build_model(self, network):
        """Returns the `AdversarialModel` around a network, not compiled."""
        return self.settings.defense.build(network)

    def batches(self, examples, start, stop):
        """Returns the dataset of the batches of the updates start..stop-1."""
        raise NotImplementedError

    @property
    def images(self):
        """(Training examples, test examples, held-out examples or None), read once."""
        raise NotImplementedError

    def passes(self):
        """Returns the `Passes` of an update."""
        raise NotImplementedError

    def monitors(self, held_out):
        """Returns the `Monitor`s that add to the logs of an interval."""
        raise NotImplementedError

    def keep_final(self, held_out):
        """Writes final.keras."""
        del held_out
        self.folder.save_network(self.model.network, self.folder.final_weights)

    def unmeasured(self):
        """Returns the names of the measurements that the folder has no result of yet."""
        raise NotImplementedError

    def measure(self, test):
        """Measures the `unmeasured` metrics on the test images and appends the results."""
        raise NotImplementedError

    def results_table(self):
        """Returns the results as text."""
        raise NotImplementedError

    def next_commands(self, folder):
        """Returns the commands to go on with, list of str.

        Args:
            folder: the run folder as a shell reads it.
        """
        raise NotImplementedError


def execute(run):
    """Does the whole run, or the rest of it; returns the exit code."""
    with workers.one_of_several(workers.this_worker()):
        run.check()
        agreement, stopped_by = workers.Agreement(run.strategy), 0
        if agreement.of_chief(run.finished):
            print("finished before: this is its result; for a new run name another --workdir")
        else:
            chief = run.worker.is_chief
            with lock.held(run.folder.path) if chief else contextlib.nullcontext():
                run.dataset.require()
                run.dataset.announce()
                print(run.plan())
                stopped_by = run.train()
        # All have stopped after the same step; otherwise only the chief knows its results.
        agreement.part(done=stopped_by or run.worker.is_chief)
        if stopped_by:
            return SIGNALLED + stopped_by
        if run.worker.is_chief:  # a network file system may show the others an older folder
            print(run.report())
        return 0
