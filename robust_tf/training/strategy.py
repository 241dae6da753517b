"""Which devices a run uses."""

import json
import os

import tensorflow as tf

from robust_tf.errors import UserError


def make_strategy(name, batch_size, logical_cpus=1, shard_size=1):
    """Returns the `tf.distribute.Strategy` of a run.

    Args:
        name: "one_device"; "mirrored", all GPUs (or the logical CPUs where there is none); "auto",
            the largest number of GPUs that divides the batch into whole shards.
        batch_size: images of one update over all replicas.
        logical_cpus: how many devices the processor is divided into; for tests of replicas.
        shard_size: images that must stay on one replica together.

    Raises:
        UserError: the replicas do not divide the batch; TF_CONFIG has several workers.
    """
    _require_one_worker()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    devices = [f"GPU:{i}" for i in range(len(gpus))]
    if logical_cpus > 1:
        _divide_processor(logical_cpus)
    if not devices:
        devices = [f"CPU:{i}" for i in range(logical_cpus)]
    if name == "auto":
        counts = range(1, len(devices) + 1)
        fitting = [count for count in counts if batch_size % (count * shard_size) == 0]
        devices = devices[: max(fitting, default=1)]
    if name == "one_device" or (name == "auto" and len(devices) == 1):
        return tf.distribute.get_strategy()
    if batch_size % len(devices):
        raise UserError(
            f"--batch_size={batch_size} counts the images over all replicas and cannot be divided "
            f"by {len(devices)} replicas; choose a multiple of {len(devices)} or --strategy=auto"
        )
    return tf.distribute.MirroredStrategy(devices)


def _require_one_worker():
    """Refuses the environment of a cluster: each worker would train the whole run for itself."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        workers = sum(len(cluster.get(job, [])) for job in ("chief", "worker"))
    except (ValueError, AttributeError, TypeError):
        raise UserError("TF_CONFIG is no cluster of TensorFlow; unset it") from None
    if workers > 1:
        raise UserError(
            f"TF_CONFIG names {workers} workers; a run trains on the devices of one machine: unset "
            "TF_CONFIG"
        )


def _divide_processor(count):
    cpu = tf.config.list_physical_devices("CPU")[0]
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
