"""A bit changes somewhere in a run folder: it is named, or changes nothing that is read."""

import random
import shutil
import sys
import warnings

import pytest
import reliability

from robust_tf.errors import RunError, UserError
from robust_tf.results import jsonl
from robust_tf.results.check_records import read_checks
from robust_tf.results.result import read_results, weights_hash
from robust_tf.runs.checkpoints import Checkpoints
from tla_tf.options import TRAIN
from tla_tf.runs.finished_run import FinishedRun
from tla_tf.train import training_run

PARTS = ("config", "weights", "state", "metrics", "results", "checks", "outcomes")
OPENED = set()  # paths, since it was cleared
sys.addaudithook(lambda name, arguments: OPENED.add(str(arguments[0])) if name == "open" else None)


class Reader:
    """Reads everything that a command reads in a folder."""

    def __init__(self, folder):
        self.folder = folder
        flags = ["--flagfile=flags/tla/smoke.flags", f"--workdir={folder}"]
        run = training_run(TRAIN.parse(flags))
        run.check()
        self.model = run.model
        self.network = FinishedRun(folder).build_network()

    def __call__(self, parts=PARTS):
        """Returns (dict part -> what was read, or None where it is refused; what was said)."""
        found = {}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for part in parts:
                try:
                    found[part] = getattr(self, part)()
                except (UserError, RunError) as error:
                    found[part] = None
                    warnings.warn(str(error), stacklevel=1)
        return found, [str(warning.message) for warning in said]

    def readers(self):
        """Returns dict path -> the parts that open the file; no other part can see a change."""
        readers = {path: [] for path in sorted(self.folder.rglob("*")) if path.is_file()}
        for part in PARTS:
            OPENED.clear()
            self([part])
            for path in readers:
                readers[path] += [part] if str(path) in OPENED else []
        return readers

    def config(self):
        run = FinishedRun(self.folder)
        return dict(run.flags), run.folder.segments(), run.info.class_names

    def weights(self):
        FinishedRun(self.folder).load_weights(self.network)
        return weights_hash(self.network)

    def state(self):
        checkpoints = Checkpoints(self.folder / "checkpoints", self.model)
        step = checkpoints.restore_latest()
        return step, checkpoints.resume_interval(step), weights_hash(self.model)

    def metrics(self):
        return FinishedRun(self.folder).folder.read_metrics()

    def results(self):
        return read_results(self.folder / "results.jsonl")

    def checks(self):
        return read_checks(self.folder / "checks.jsonl")

    def outcomes(self):
        return {p.name: jsonl.read(p) for p in sorted(self.folder.glob("evaluation/*.jsonl"))}


def flip_everywhere(folder, flips):
    """Flips so many bits of every file, one at a time.

    Returns:
        (how many were flipped in files that are read; how many of them were named; the names of the
        files that nothing reads).

    Raises:
        AssertionError: something else was read without a word, or more was lost than the file.
    """
    read, draw = Reader(folder), random.Random(0)
    expected, said = read()
    assert not said
    readers = read.readers()
    count = named = 0
    for path, parts in readers.items():
        size = 8 * path.stat().st_size
        for bit in draw.sample(range(size), min(flips, size)) if parts else ():
            kept = shutil.copytree(folder, folder.with_name("kept"))
            reliability.flipped(path, bit)
            found, said = read(parts)
            other = [part for part in parts if found[part] != expected[part]]
            assert len(other) <= 1 and (said or not other), (path, bit, other, said)
            if "step-00000008" in str(path) and other:
                assert found["state"][0] == 4, "the state before"
            if path.name in ("config.json", "digest.json") and path.parent == folder:
                assert not other, "there is a copy"
            count, named = count + 1, named + bool(said)
            shutil.rmtree(folder)
            kept.rename(folder)
    return count, named, [path.name for path, parts in readers.items() if not parts]


@pytest.mark.parametrize("flips", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_every_file(flips, finished):
    count, named, unread = flip_everywhere(finished, flips)
    reliability.row("changed bits", tried=count, named=named, silently_other=0, unread=unread)
    assert named > count / 3
    # All others are read. The older state is read where the newer one is damaged.
    older = {"digest.json", "interval.json", "state.data-00000-of-00001", "state.index"}
    assert {name for name in unread if ".tfevents." not in name} == {"flags.txt", *older}
