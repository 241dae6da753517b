"""Trainings that are stopped at random moments, and what is left of them."""

import contextlib
import dataclasses
import importlib
import json
import os
import pathlib
import random
import signal
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from eagerly import eagerly
from forked import begun

# Loading needs the layers of every network.
from robust_tf.models import embedding_registry, registry  # noqa: F401
from robust_tf.results import jsonl
from robust_tf.runs import speed
from robust_tf.runs.run_folder import RunFolder

EVERY = 2  # updates between the checkpoints of `stop_often`
EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
# What a stopped process may end with: the signal itself, or the exit code of a handler.
ENDS = {
    signal.SIGKILL: {-signal.SIGKILL},
    signal.SIGTERM: {-signal.SIGTERM, 128 + signal.SIGTERM},
    signal.SIGHUP: {-signal.SIGHUP, 128 + signal.SIGHUP},
    signal.SIGINT: {128 + signal.SIGINT},
}
# The events of one checkpoint, from the removal of what a killed process has left to the removal of
# the oldest checkpoint.
OF_A_CHECKPOINT = 20
# The other files that a training writes; each has an event or more.
OTHER_FILES = ("config.json", "metrics.jsonl", "partial.keras", "evaluation", "results.jsonl")


@dataclasses.dataclass(frozen=True)
class Stop:
    """How a process is stopped.

    Attributes:
        number: the signal.
        event: Number of the event of the file system before which it comes; None: it comes at a
            moment, whatever is done then.
        place: how the paths begin, within the folder, whose events count. Those of checkpoints
            count from the first new one on.
        checkpoints: Number of new checkpoints after which the moment comes; 0: the command has
            begun and the folder has its config.json.
        moment: seconds after that.
    """

    number: signal.Signals = signal.SIGKILL
    event: int | None = None
    place: str = "checkpoints"
    checkpoints: int = 0
    moment: float = 0.0


def stops(case):
    """Returns a signal and three kills, a list of `Stop`.

    Args:
        case: int, the seed; as many cases in a row as a checkpoint has events kill before each.
    """
    draw = random.Random(case)
    handled = draw.choice((signal.SIGTERM, signal.SIGTERM, signal.SIGINT))
    return [
        Stop(handled, checkpoints=draw.randint(0, 4), moment=draw.uniform(0, 0.1)),
        Stop(event=1 + case % OF_A_CHECKPOINT),
        # One kill in two comes while the command starts, the other one while it trains.
        Stop(moment=draw.uniform(0, 1.5))
        if case % 2
        else Stop(checkpoints=draw.randint(1, 4), moment=draw.uniform(0, 0.02)),
        Stop(event=draw.randint(1, 2), place=draw.choice(OTHER_FILES)),
    ]


def stops_of_a_smoke_run(handled):
    """Returns three kills, and a signal that is handled, in the order of a run of 8 updates.

    The process sends all itself: with so few updates another one may be too late. Kills before
    every event of a checkpoint are tested without a training.
    """
    return [
        Stop(event=1, place="flags.txt"),
        Stop(handled, event=10),
        Stop(event=15),
        Stop(event=2, place="partial.keras"),
    ]


def stopped(command, arguments, folder, output, stop, *, eager=False):
    """Runs the command, without traces if `eager`, until the `Stop`.

    Returns its exit code, -9 where it was killed.
    """
    output.unlink(missing_ok=True)
    before = _last_step(folder)
    event = () if stop.event is None else (stop.event, str(folder / stop.place), stop.number)
    process = begun(_run, command, arguments, eager, *event, output=output)
    if not event:
        while process.is_alive() and not _reached(stop, folder, output, before):
            time.sleep(0.005)
        process.join(stop.moment)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, stop.number)
    process.join()
    return process.exitcode


def _reached(stop, folder, output, before):
    begun = output.exists() and (folder / "config.json").exists()
    return begun and _last_step(folder) >= before + EVERY * stop.checkpoints


def _last_step(folder):
    return max([int(path.name[5:]) for path in folder.glob("checkpoints/step-*[0-9]")], default=0)


def survive(command, arguments, folder, plan):
    """Stops a run as often as `plan` says, each time it is begun again, and lets it finish.

    Args:
        command: name of the module, such as tla_tf.train.
        arguments: list of str, without the folder.
        folder: path of the run.
        plan: list of `Stop`.

    Raises:
        AssertionError: a process ended in another way than it may, or before it was stopped.
    """
    arguments, output = [*arguments, f"--workdir={folder}"], folder.with_suffix(".txt")
    for stop in [*plan, None]:
        if stop:
            code = stopped(command, arguments, folder, output, stop)
        else:
            code = _finish(command, arguments, output)
        said = output.read_text()
        assert code in (ENDS[stop.number] if stop else {0}), (stop, code, said[-3000:])
        assert "Traceback" not in said, (stop, said[-3000:])
        if stop and (stop.checkpoints or stop.event) and stop.number != signal.SIGKILL:
            assert "the same command goes on from there" in said, (stop, said[-3000:])


def stop_often(command, case, number, arguments, folder):
    """Stops a run of 60 updates in `folder`, and compares it with one that nothing stopped."""
    arguments = [*arguments, "--train_steps=60", f"--checkpoint_every={EVERY}"]
    plan = stops(number)
    survive(command, arguments, folder / "run", plan)
    survive(command, arguments, folder / "whole", [])
    assert_same(state(folder / "run"), state(folder / "whole"))
    row(f"{command}, {case}", stopped=len(plan), other=0)


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
    output.unlink(missing_ok=True)
    process = begun(_run, command, arguments, False, output=output)
    process.join()
    return process.exitcode


def _run(command, arguments, eager, *event):
    """Runs in the process."""
    if event:
        _send_before(*event)
    with eagerly() if eager else contextlib.nullcontext():
        return importlib.import_module(command).main([command, *arguments])


def _send_before(event, path, number):
    """Sends the signal before the event of that number at paths that begin so."""
    left, counts = [event], [not path.endswith(Stop.place)]

    def count(name, arguments):
        if name in EVENTS and str(arguments[0]).startswith(path):
            counts[0] |= ".partial" in str(arguments[0])
            left[0] -= counts[0]
            if not left[0]:
                os.kill(os.getpid(), number)

    sys.addaudithook(count)


def flipped(path, bit):
    """Changes one bit of a file."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def row(name, **counts):
    """Prints a line of docs/results/reliability.md."""
    print(json.dumps({"case": name, **counts}))
