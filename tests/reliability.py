"""Trainings in processes of their own that are stopped at random moments, and what is left of them.

A fork server has imported everything, so that a process costs little more than its training.
"""

import contextlib
import dataclasses
import importlib
import json
import multiprocessing
import os
import pathlib
import random
import signal
import sys
import time

import keras
import numpy as np
import tensorflow as tf

# Loading needs the layers of every network.
from robust_tf.models import embedding_registry, registry  # noqa: F401
from robust_tf.results import jsonl
from robust_tf.runs import speed
from robust_tf.runs.run_folder import RunFolder

ROOT = pathlib.Path(__file__).parents[1]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    ["sklearn.datasets", "tensorflow_datasets", "tensorboard.plugins", "keras.src.callbacks"]
    + [f"{package}.{name}" for package in ("tla_tf", "hm_tf") for name in ("train", "training_run")]
)
EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
# What a stopped process may end with: killed, stopped by a handler, or finished before.
ENDS = {
    signal.SIGKILL: {-signal.SIGKILL, 0},
    signal.SIGTERM: {-signal.SIGTERM, 128 + signal.SIGTERM, 0},
    signal.SIGINT: {128 + signal.SIGINT, 0},
}


@dataclasses.dataclass(frozen=True)
class Stop:
    """How a process is stopped.

    Attributes:
        number: the signal.
        event: Number of the event of the file system in `checkpoints` before which it comes; None:
            it comes at a moment, whatever is done then.
        moment: seconds after the command began and the folder has its config.json.
    """

    number: signal.Signals = signal.SIGKILL
    event: int | None = None
    moment: float = 0.0


def stops(seed, count, *, longest, events=40, numbers=(signal.SIGKILL,)):
    """Yields random `Stop`s, every second one before an event of the file system.

    Args:
        seed, count: int.
        longest: float, the last moment in seconds.
        events: int, the last event of the file system.
        numbers: signals to choose from.
    """
    draw = random.Random(seed)
    for place in range(count):
        number = draw.choice(numbers)
        if place % 2 and number == signal.SIGKILL:
            yield Stop(event=draw.randint(1, events))
        else:
            yield Stop(number, moment=draw.uniform(0, longest))


def begun(command, arguments, output, stop=None):
    """Starts `command`.main, such as tla_tf.train, in a process; returns the process.

    Args:
        command: name of the module.
        arguments: list of str.
        output: path of a file for what it prints.
        stop: `Stop` before an event; the process stops itself.
    """
    process = FORKING.Process(target=_child, args=(command, arguments, str(output), stop))
    process.start()
    return process


def stopped(command, arguments, folder, output, stop):
    """Runs the command until the `Stop`; returns its exit code, -9 where it was killed."""
    output.unlink(missing_ok=True)
    process = begun(command, arguments, output, stop)
    if stop.event is None:
        places = output, folder / "config.json"
        while process.is_alive() and not all(path.exists() for path in places):
            time.sleep(0.01)
        process.join(stop.moment)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, stop.number)
    process.join()
    return process.exitcode


def survive(command, arguments, folder, plan):
    """Stops a run as often as `plan` says, each time it is begun again, and lets it finish.

    Args:
        command, arguments: as of `begun`; the arguments without the folder.
        folder: path of the run.
        plan: list of `Stop`.

    Returns:
        How often it was really stopped.

    Raises:
        AssertionError: a process ended in another way than it may.
    """
    arguments, output = [*arguments, f"--workdir={folder}"], folder.with_suffix(".txt")
    count = 0
    for stop in [*plan, None]:
        if stop:
            code = stopped(command, arguments, folder, output, stop)
        else:
            code = _finish(command, arguments, output)
        said = output.read_text()
        assert code in (ENDS[stop.number] if stop else {0}), (stop, code, said[-3000:])
        assert "Traceback" not in said, (stop, said[-3000:])
        count += code != 0
        if not code:
            break  # it is finished
    return count


def stop_often(command, case, arguments, folder):
    """Stops a run of 60 updates in `folder`, and compares it with one that nothing stopped."""
    arguments = [*arguments, "--train_steps=60", "--checkpoint_every=2"]
    numbers = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    plan = list(stops(case, 8, longest=8, events=120, numbers=numbers))
    count = survive(command, arguments, folder / "run", plan)
    survive(command, arguments, folder / "whole", [])
    row(f"{command}, {case}", stopped=count, of=len(plan))
    assert_same(state(folder / "run"), state(folder / "whole"))


def state(folder):
    """What a run ends in: the last state, the networks, metrics without seconds, results."""
    folder = pathlib.Path(folder)
    (last,) = sorted((folder / "checkpoints").glob("step-*[0-9]"))[-1:]
    reader = tf.train.load_checkpoint(str(last / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    networks = [
        weights
        for path in sorted(folder.glob("*.keras"))
        for weights in keras.models.load_model(path, compile=False).get_weights()
    ]
    timed = dict.fromkeys(["seconds", *speed.NAMES])
    return {
        "step": last.name,
        "tensors": {name: reader.get_tensor(name) for name in names},
        "networks": networks,
        "metrics": [{**line, **timed} for line in RunFolder(folder).read_metrics()],
        "results": [{**line, "segments": 0} for line in jsonl.read(folder / "results.jsonl")],
    }


def assert_same(found, expected):
    """Asserts that two of `state` are equal to the last bit."""
    for name in ("step", "metrics", "results"):
        assert found[name] == expected[name], name
    assert found["tensors"].keys() == expected["tensors"].keys()
    for name, value in expected["tensors"].items():
        np.testing.assert_array_equal(found["tensors"][name], value, err_msg=name)
    for one, other in zip(found["networks"], expected["networks"], strict=True):
        np.testing.assert_array_equal(one, other)


def _finish(command, arguments, output):
    process = begun(command, arguments, output)
    process.join()
    return process.exitcode


def _child(command, arguments, output, stop):
    """Runs in the process."""
    os.chdir(ROOT)
    main = importlib.import_module(command).main
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if stop is not None and stop.event is not None:
        _kill_before(stop.event)
    with open(output, "w") as file:  # from here on it may be stopped
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(main([command, *arguments]))


def _kill_before(event):
    """Kills this process before the event of that number in a folder `checkpoints`."""
    left = [event]

    def count(name, arguments):
        if name in EVENTS and "/checkpoints" in str(arguments[0]):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def flipped(path, bit):
    """Changes one bit of a file."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def row(name, **counts):
    """Prints a line of docs/results/reliability.md."""
    print(json.dumps({"case": name, **counts}))
