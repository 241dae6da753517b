"""Which devices a run uses."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import tensorflow as tf

from robust_tf.errors import UserError, reason_of
from robust_tf.training.meeting import meet
from robust_tf.training.workers import places_of_workers, reach_directly, this_worker


def make_strategy(name, batch_size, logical_cpus=1, shard_size=1):
    """Returns the `tf.distribute.Strategy` of a run.

    Args:
        name: "one_device"; or "mirrored", all GPUs, or the logical CPUs where there is none. "auto"
            is the largest number of GPUs that divides the batch into whole shards. "multi_worker":
            all GPUs of all workers of TF_CONFIG, of which this process is one.
        batch_size: images of one update over all replicas.
        logical_cpus: how many devices the processor is divided into; for tests of replicas. Not of
            several workers.
        shard_size: images that must stay on one replica together.

    Raises:
        UserError: the replicas do not divide the batch; TF_CONFIG has several workers, or one where
            there must be several, or a port that is in use; a processor divided among workers.
    """
    if name == "multi_worker":
        if logical_cpus > 1:
            raise UserError(
                f"--logical_cpus={logical_cpus} does nothing with --strategy=multi_worker, where a "
                "worker without GPUs is one device; leave it out"
            )
        return _multi_worker(batch_size)
    devices = all_devices(logical_cpus)
    if name == "auto":
        counts = range(1, len(devices) + 1)
        fitting = [count for count in counts if batch_size % (count * shard_size) == 0]
        devices = devices[: max(fitting, default=1)]
    if name == "one_device" or (name == "auto" and len(devices) == 1):
        return tf.distribute.get_strategy()
    _require_whole(batch_size, len(devices), " or --strategy=auto")
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker(batch_size):
    worker = this_worker()
    if worker.count == 1:
        raise UserError(
            "--strategy=multi_worker: TF_CONFIG names no other worker; start the workers with "
            "tools/launch_local.py or tools/launch_slurm.sh"
        )
    _require_whole(batch_size, worker.count)
    reach_directly()
    print(f"waiting for all {worker.count} workers of TF_CONFIG", flush=True)
    try:
        meet(places_of_workers(), worker.index)
        with _ended_by_signals():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (OSError, tf.errors.UnknownError) as error:
        raise UserError(
            f"--strategy=multi_worker: {reason_of(error)}; another process has the port of worker "
            f"{worker.index} in TF_CONFIG: choose others (PORT of tools/launch_slurm.sh)"
        ) from error
    _require_whole(batch_size, strategy.num_replicas_in_sync)
    return strategy


@contextlib.contextmanager
def _ended_by_signals():
    """Lets Ctrl-C end the process inside the block, and SIGTERM after it.

    TensorFlow connects the workers and lets Python run no handler meanwhile. It takes SIGTERM for
    a notice, and the process goes on. After the block both do what they did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if before[signal.SIGINT] is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_whole(batch_size, replicas, otherwise=""):
    if batch_size % replicas:
        raise UserError(
            f"--batch_size={batch_size} counts the images over all replicas and cannot be divided "
            f"by {replicas} replicas; choose a multiple of {replicas}{otherwise}"
        )


def evaluation_strategy(name, logical_cpus=1):
    """Returns the `tf.distribute.Strategy` in whose scope `attack_loop` uses several devices.

    From here on float32 is kept, see `keep_float32`.

    Args:
        name: "one_device"; "auto" or "mirrored", all GPUs (or the logical CPUs where there is
            none). A batch is filled up, so that any number of devices divides it.
        logical_cpus: see `make_strategy`.

    Raises:
        UserError: TF_CONFIG has several workers.
    """
    keep_float32()
    devices = all_devices(logical_cpus)
    if name == "one_device" or len(devices) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(devices)


def keep_float32():
    """Lets float32 products keep all their bits, from here on.

    TensorFloat-32, which NVIDIA GPUs take by default, has 10 of 23 and would decide close distances
    and ranks.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)


@contextlib.contextmanager
def in_float32() -> Iterator[None]:
    """Keeps all bits of float32 products in a block or a function; then all is as before.

    See `keep_float32`. The setting is one of the whole process.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    keep_float32()
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def all_devices(logical_cpus=1):
    """Returns the names of all GPUs, or of the logical CPUs where there is none.

    Raises:
        UserError: TF_CONFIG has several workers.
    """
    if (workers := this_worker().count) > 1:  # each would do the whole work for itself
        raise UserError(
            f"TF_CONFIG names {workers} workers: they train together with --strategy=multi_worker; "
            "for the devices of this machine unset TF_CONFIG"
        )
    gpus = tf.config.list_physical_devices("GPU")
    if logical_cpus > 1:
        _divide_processor(logical_cpus)
    if gpus:
        return [f"GPU:{i}" for i in range(len(gpus))]
    return [f"CPU:{i}" for i in range(logical_cpus)]


def _divide_processor(count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or ()) == count:
        return
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )


def use_xla(choice):
    """Resolves --jit_compile: "auto" compiles on a GPU only.

    On a CPU compiled convolution loops were measured three to four times slower.
    """
    if choice == "auto":
        return bool(tf.config.list_physical_devices("GPU"))
    return choice == "true"


def use_determinism(choice, xla):
    """Resolves --deterministic: "auto" is true where that is free, on a CPU without XLA.

    On a GPU it was measured to make a training step 4.5 times slower: Keras then leaves XLA out,
    which has no deterministic max pooling.

    Args:
        choice: "auto", "true" or "false".
        xla: whether XLA is to compile what it can.
    """
    if choice == "auto":
        return not xla and not tf.config.list_physical_devices("GPU")
    return choice == "true"
