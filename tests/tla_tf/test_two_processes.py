"""Two processes in one run folder: a second training is refused, reading works."""

import time
import warnings

import numpy as np
import pytest
from forked import begun

from robust_tf.reports.recorded_run import recorded_run
from robust_tf.results import jsonl
from robust_tf.results.result import read_results
from tla_tf import evaluate, train

SMOKE = "--flagfile=flags/tla/smoke.flags"


def test_while_one_trains_another_is_refused_and_reports_read(tmp_path, capsys):
    folder = tmp_path / "run"
    flags = [SMOKE, "--method=um", "--train_steps=1000000", "--checkpoint_every=4"]
    flags.append(f"--workdir={folder}")
    process = begun(train.main, ["train", *flags], output=tmp_path / "output.txt")
    deadline = time.monotonic() + 600
    try:
        while not (folder / "metrics.jsonl").exists():
            alive = process.is_alive() and time.monotonic() < deadline
            assert alive, (tmp_path / "output.txt").read_text()[-3000:]
            time.sleep(0.01)
        assert train.main(["train", *flags]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder} is in use by process {process.pid} on " in line
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(50):
                steps = [line["step"] for line in recorded_run(folder).metrics()]
                assert steps == list(range(4, 4 * len(steps) + 1, 4))
        assert process.is_alive()
    finally:
        process.kill()
        process.join()


@pytest.mark.slow
def test_one_folder_evaluated_twice_at_once(finished, tmp_path):
    before = read_results(finished / "results.jsonl")
    flags = [f"--workdir={finished}", "--attacks=clean,fgsm,2pgd4,apgd-ce", "--batch_size=2"]
    outputs = [tmp_path / "first.txt", tmp_path / "second.txt"]
    processes = [begun(evaluate.main, ["evaluate", *flags], output=path) for path in outputs]
    for process, output in zip(processes, outputs, strict=True):
        process.join()
        assert process.exitcode == 0, output.read_text()[-3000:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = read_results(finished / "results.jsonl")[len(before) :]
        stored = {path: jsonl.read(path) for path in finished.glob("evaluation/*.jsonl")}
    # Each process has its own records, as if one had followed the other.
    names = [record.attack for record in new]
    assert sorted(names) == sorted(2 * sorted(set(names))) and len(set(names)) == 5
    for name in set(names):
        one, other = (record for record in new if record.attack == name)
        assert one == other
    for path, (_, *lines) in stored.items():
        for restart in {line["restart"] for line in lines}:
            rows = np.concatenate([x["rows"] for x in lines if x["restart"] == restart])
            assert len(rows) == len(set(rows)), path
