"""Several machines: which worker this process is, its part of a batch, what all agree on."""

import contextlib
import dataclasses
import functools
import json
import os
import time
import warnings

import tensorflow as tf

from robust_tf.errors import RunError, UserError, reason_of

# What TensorFlow raises in the others when a worker has gone.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


@dataclasses.dataclass(frozen=True)
class Worker:
    """One of the processes that train a model together; the first is the chief, who writes.

    Attributes:
        index: int, place of this process.
        count: int, number of processes.
    """

    index: int = 0
    count: int = 1

    @property
    def is_chief(self):
        return self.index == 0


def this_worker():
    """Returns the `Worker` that TF_CONFIG says this process is.

    Raises:
        UserError: TF_CONFIG does not name a cluster and a task of it, or no place for every task.
    """
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        places = _places(config.get("cluster", {}))
        if len(places) < 2:
            return Worker()
        task = config["task"]["type"], int(config["task"]["index"])
        worker = Worker([*places].index(task), len(places))
    except (ValueError, AttributeError, TypeError, KeyError):
        raise UserError(
            "TF_CONFIG names no cluster of TensorFlow with its task; unset it, or start the "
            "workers with tools/launch_local.py or tools/launch_slurm.sh"
        ) from None
    if len({*places.values()}) < len(places) or not all(map(_is_place, places.values())):
        raise UserError(
            f"TF_CONFIG has the workers at {', '.join(map(str, places.values()))}; each needs a "
            "place of its own, host:port with a port from 1 to 65535"
        )
    return worker


def _places(cluster):
    """Returns dict (job, index) of a worker -> its place; the chief is the first."""
    return {
        (job, index): place
        for job in ("chief", "worker")
        for index, place in enumerate(cluster.get(job, ()))
    }


def _is_place(place):
    host, _, port = str(place).rpartition(":")
    return host != "" and port.isdecimal() and 0 < int(port) < 2**16


def places_of_workers():
    """Returns the places of all workers of TF_CONFIG, list of "host:port", the chief first."""
    return [*_places(json.loads(os.environ["TF_CONFIG"])["cluster"]).values()]


def reach_directly():
    """Lets gRPC call the workers of TF_CONFIG without the proxy that the environment may name.

    A proxy for the web does not know them, and all of them would wait for one another.
    """
    hosts = dict.fromkeys(place.rpartition(":")[0] for place in places_of_workers())
    excepted = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy")  # as gRPC reads them
    os.environ["no_grpc_proxy"] = ",".join([*filter(None, [excepted]), *hosts])


def worker_of(strategy):
    """Returns the `Worker` that this process is under a strategy."""
    return this_worker() if on_several(strategy) else Worker()


@contextlib.contextmanager
def one_of_several(worker):
    """Lets only the chief print, and makes one line of the loss of another worker.

    Args:
        worker: `Worker`.

    Raises:
        RunError: another worker was lost.
    """
    if worker.count == 1:
        yield
        return
    try:
        with contextlib.ExitStack() as stack:
            if not worker.is_chief:
                nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
            yield
    except LOST as error:
        raise RunError(
            f"another worker was lost ({reason_of(error)[:120]}); the same command on all workers "
            "goes on from the last checkpoint"
        ) from error


def on_several(strategy):
    """Returns whether the replicas of a strategy belong to several workers."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def local_replicas(strategy):
    """Returns the number of replicas of this process."""
    return len(strategy.extended.worker_devices)


def divided(dataset, strategy):
    """Returns what `fit` takes: of each global batch every replica gets its rows, in order.

    Keras divides batches among the replicas of one process. Of several workers TensorFlow would
    give each replica other rows than its random draws are made for.

    Args:
        dataset: tf.data.Dataset of global batches of one constant size.
        strategy: `tf.distribute.Strategy`.
    """
    if not on_several(strategy):
        return dataset
    local, replicas = local_replicas(strategy), strategy.num_replicas_in_sync

    def of_worker(context):
        first = context.input_pipeline_id * local

        def parts(batch):
            rows = tf.nest.map_structure(
                lambda t: tf.reshape(t, [replicas, t.shape[0] // replicas, *t.shape[1:]]), batch
            )
            mine = tf.nest.map_structure(lambda t: t[first : first + local], rows)
            return tf.data.Dataset.from_tensor_slices(mine)

        return dataset.flat_map(parts).prefetch(2 * local)

    return strategy.distribute_datasets_from_function(of_worker)


class Agreement:
    """Sums small numbers over all workers, so that all decide alike at the same step.

    Every worker must ask equally often.

    Args:
        strategy: `tf.distribute.Strategy`.
    """

    # Seconds between two answers of `now_and_then`, about.
    EVERY = 1.0

    def __init__(self, strategy):
        self._several = on_several(strategy)
        self._share = local_replicas(strategy) if self._several else 1

        @tf.function(autograph=False)
        def total(numbers):
            shares = strategy.run(tf.identity, (numbers,))
            return strategy.reduce("SUM", shares, axis=None)

        # TensorFlow would warn of so many traces; concrete functions are not counted.
        self._total_of = functools.cache(
            lambda count: total.get_concrete_function(tf.TensorSpec([count], tf.int64))
        )
        self._asked, self._asked_at, self._next = None, time.monotonic(), 0

    def total(self, numbers):
        """Returns the sums over the workers.

        Args:
            numbers: list of int, of this worker.
        """
        if not self._several:
            return list(numbers)
        total = self._total_of(len(numbers))(tf.constant(numbers, tf.int64)).numpy() // self._share
        return [int(number) for number in total]

    def of_chief(self, question):
        """Returns the chief's answer to a question without arguments, a bool.

        The others must not look themselves: a network file system may show them an older folder.
        """
        asked = not self._several or this_worker().is_chief
        return self.total([int(asked and question())]) == [1]

    def now_and_then(self, step, numbers):
        """As `total`, but between two askings zeros; all workers ask at the same steps.

        Workers wait for one another when they ask. So they ask every second, not at every step.

        Args:
            step: number of the step, growing.
            numbers: list of int, of this worker.
        """
        if not self._several:
            return list(numbers)
        if step < self._next:
            return [0] * len(numbers)
        now = time.monotonic()
        *sums, spent = self.total([*numbers, round(1e6 * (now - self._asked_at))])
        steps = 1 if self._asked is None else step - self._asked
        seconds = max(spent / 1e6 / this_worker().count / steps, 1e-6)
        self._asked, self._asked_at = step, now
        self._next = step + max(1, int(self.EVERY / seconds))
        return sums

    def part(self, done):
        """Waits for all workers, and lets none leave while another still reads what it sent.

        Whoever has the second sum knows that all have the first; the second may fail in those who
        are later.

        Args:
            done: whether nothing depends on the others any more: the loss of one is a warning then.
        """
        try:
            self.total([0])
        except LOST as error:
            if not done:
                raise
            warnings.warn(
                f"another worker was lost ({reason_of(error)[:120]}) when all its work was done; "
                "nothing is missing",
                stacklevel=2,
            )
            return
        with contextlib.suppress(*LOST):
            self.total([0])

    def require_equal(self, digest, what):
        """Raises RunError unless all workers that have found something have found the same.

        Args:
            digest: function () -> hex digits, or None of a worker that cannot know; called where
                there are several workers.
            what: str for the message: what they must have, and from where.
        """
        if not self._several:
            return
        found = digest()
        number = int(found[:6], 16) if found else 0  # its square is an int64
        count, total, squares = self.total([int(found is not None), number, number**2])
        if total**2 != count * squares:  # they are equal for equal numbers alone
            # Who ended now would be a lost worker to one that has not got the sums yet.
            with contextlib.suppress(tf.errors.OpError):
                self.total([0])
            raise RunError(f"the workers do not have the same {what}")
