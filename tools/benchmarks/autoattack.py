"""AutoAttack's versions standard and fast: accuracy, light and cost of each.

On finished runs and on ends of them that hide gradients; and torchattacks' AutoAttack on the same
network.
"""

import contextlib
import pathlib
import subprocess
import tempfile
import time
from typing import NamedTuple
from unittest import mock

import numpy as np
import tensorflow as tf

from robust_tf.attacks import adaptive_search, fab, presets, square
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_column import ensemble_columns
from robust_tf.evaluation.attack_loop import images_of
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.models.output_of import output_of
from robust_tf.reports.table import markdown
from tla_tf.runs.finished_run import FinishedRun, ball

VERSIONS = ("standard", "fast")
# What hides the gradient of the same network; its accuracy stays about the same.
ENDS = {
    "logits": lambda logits_fn: logits_fn,
    "softmax": lambda logits_fn: lambda x: tf.nn.softmax(logits_fn(x)),
    "sigmoid": lambda logits_fn: lambda x: tf.nn.sigmoid(logits_fn(x)),
    "logits x 1000": lambda logits_fn: lambda x: 1000.0 * logits_fn(x),
    "input in 16 levels": lambda logits_fn: lambda x: logits_fn(tf.round(15 * x) / 15),
}
# Published fast evaluators are called equal within this.
WITHIN = 0.2


class Measured(NamedTuple):
    """One version on one network.

    Attributes:
        seconds: of a processor, as other work may share it; on a GPU of the clock.
        correct: bool [n], the images that are correct under all members.
        doubts: list of `Doubt`.
    """

    seconds: float
    correct: np.ndarray
    doubts: list


def run(options):
    """Measures and prints."""
    unknown = set(options.ends) - ENDS.keys()
    if unknown or not options.workdir:
        raise UserError(
            f"give --workdir=RUN[,RUN2], and --ends of {', '.join(ENDS)}; unknown: "
            f"{', '.join(sorted(unknown)) or 'none'}"
        )
    rows = []
    for workdir in options.workdir:
        trained = FinishedRun(workdir, options.data_dir)
        examples = trained.dataset.load("test", options.images)
        threat_model = ball(trained.flags, options.eps, options.norm)
        network, name = trained.network(), f"{pathlib.Path(workdir).name} ({trained.info.name})"
        for end in options.ends:
            outputs_fn = ENDS[end](output_of(network, "logits"))
            found = {v: _measure(outputs_fn, examples, threat_model, v, options) for v in VERSIONS}
            if options.whole_batches:
                with whole_batches():
                    found["whole"] = _measure(
                        outputs_fn, examples, threat_model, "standard", options
                    )
            clock = (
                _torch_clock(options, trained, examples, threat_model) if end == "logits" else None
            )
            rows.append(_row(f"{name}, {end}", threat_model, examples, found, clock))
            print(markdown(HEADER, rows[-1:]), flush=True)
    print(f"\n{markdown(HEADER, rows)}")


HEADER = ("network", "ball", "n", "standard %", "fast %", "difference", "light")
HEADER += ("standard s", "fast s", "cost", "standard without early exit", "torchattacks")


@contextlib.contextmanager
def whole_batches():
    """Every image of a batch takes all steps of an attack, as before early exit."""

    def whole_loop(step, fixed, state, active, *, limit, result):
        def follow(number, state):
            return number + 1, step(number, fixed, state, tf.ones_like(active))[0]

        start = tf.constant(0), state
        _, state = tf.while_loop(lambda number, _: number < limit, follow, start)
        return result(state), active

    with contextlib.ExitStack() as patches:
        for attack in (adaptive_search, fab, square):
            patches.enter_context(mock.patch.object(attack, "packed_loop", whole_loop))
        yield


def _measure(outputs_fn, examples, ball, version, options):
    """Attacks with one version; the time has everything, tracing too."""
    clock = time.perf_counter if tf.config.list_physical_devices("GPU") else time.process_time
    start = clock()
    evaluation = ClassifierEvaluation(
        outputs_fn,
        examples,
        batch_size=options.batch_size,
        jit_compile=options.jit_compile,
        progress=False,
        say=None,
    )
    evaluation.run(ensemble_columns(version, lambda name: presets.get(name, ball)))
    correct = evaluation.outcomes[-1].correct
    return Measured(clock() - start, correct, evaluation.checked.doubts)


def _row(name, ball, examples, found, clock):
    standard, fast = (found[version] for version in VERSIONS)
    difference = 100 * (fast.correct.mean() - standard.correct.mean())
    light = "; ".join(doubt.name for doubt in fast.doubts)
    return (
        name,
        str(ball),
        str(len(examples)),
        *(f"{100 * one.correct.mean():.2f}" for one in (standard, fast)),
        f"{difference:+.2f}{'' if abs(difference) <= WITHIN else ' (!)'}",
        f"red: {light}" if light else "green",
        *(f"{one.seconds:.1f}" for one in (standard, fast)),
        f"1/{standard.seconds / fast.seconds:.1f}",
        _whole(standard, found.get("whole")),
        clock or "-",
    )


def _whole(standard, whole):
    """Seconds without early exit, the share that is left of them, "(!)" at other outcomes."""
    if whole is None:
        return "-"
    same = np.array_equal(standard.correct, whole.correct)
    share = f"1/{whole.seconds / standard.seconds:.1f}"
    return f"{whole.seconds:.1f} s: {share}{'' if same else ' (!)'}"


def _torch_clock(options, trained, examples, ball):
    """Robust accuracy and seconds of torchattacks' AutoAttack on the same network, as text."""
    if not options.torch:
        return None
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images.npz"
        pixels = images_of(examples, np.arange(len(examples))).numpy()
        np.savez(images, images=pixels, labels=examples.labels)
        script = pathlib.Path(__file__).with_name("torch_autoattack.py")
        given = [trained.folder.final_weights, images, ball.norm, ball.eps, options.batch_size]
        done = subprocess.run(
            [options.torch, script, *map(str, given)], capture_output=True, text=True
        )
    if done.returncode:
        raise UserError(f"{script.name} failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip().splitlines()[-1]
