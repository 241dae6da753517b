"""The command: groups, transfer, killed processes, a full disk, files that do not fit."""

import contextlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from robust_tf.evaluation.records import read_results
from tla_tf import evaluate, evaluation_checks

TABLE1 = ["clean", "fgsm", "bim7", "cw30", "pgd7", "pgd20", "20pgd20", "mim40"]


@pytest.fixture
def run(unevaluated):
    return unevaluated


def command(run, *flags):
    return evaluate.main(["evaluate", f"--workdir={run}", "--limit_test=20", *flags])


def attacks(run):
    return [result.attack for result in read_results(run / "results.jsonl")]


def error_line(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    (line,) = lines
    return line


def test_table1_with_and_without_a_substitute(run, capsys):
    assert command(run, "--attacks=table1") == 0
    assert "left out: the black-box column" in capsys.readouterr().out
    assert attacks(run) == [*TABLE1, "worst case"]
    assert command(run, "--attacks=table1", f"--substitute={run}") == 0
    said = capsys.readouterr().out
    assert "left out" not in said and "20pgd20: stored" in said
    results = read_results(run / "results.jsonl")[len(TABLE1) + 1 :]
    own = {result.attack: result for result in results}
    assert own["transfer-pgd7 from tla-digits_cnn-seed0"].correct == own["pgd7"].correct


def test_cleverhans_beside_ours_with_the_difference(run, capsys):
    assert command(run, "--attacks=cleverhans") == 0
    said = capsys.readouterr().out
    for name in ("fgm", "bim7", "pgd7"):
        assert f"cleverhans-{name}" in said
    assert "our bim7" in said and "difference +0.00 points" in said
    assert "carlini_wagner_l2 and spsa" in said


def lines_of(run):
    return sum(path.read_text().count("\n") for path in run.glob("evaluation/*"))


def test_killed_three_times_the_result_is_the_same(run, tmp_path, pytestconfig):
    flags = ["--attacks=2pgd100,cw50", "--batch_size=2"]
    untouched = shutil.copytree(run, tmp_path / "untouched")
    for _ in range(3):
        before = lines_of(run)
        flags_of_run = [f"--workdir={run}", "--limit_test=20", *flags]
        process = subprocess.Popen(
            [sys.executable, "-m", "tla_tf.evaluate", *flags_of_run],
            cwd=pytestconfig.rootpath,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.time() + 60
        while lines_of(run) < before + 2 and process.poll() is None and time.time() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was not finished yet"
    assert lines_of(run) >= 6
    assert command(run, *flags) == 0
    assert command(untouched, *flags) == 0
    assert read_results(run / "results.jsonl") == read_results(untouched / "results.jsonl")
    stored = {path.name: path.read_text() for path in run.glob("evaluation/*")}
    assert stored == {path.name: path.read_text() for path in untouched.glob("evaluation/*")}


@contextlib.contextmanager
def disk_of(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("flags", [[], ["--save_adversarial"]])
@pytest.mark.parametrize("size", [300, 900, 3000])
@pytest.mark.filterwarnings("ignore:.*was cut off")
def test_disk_full(run, capsys, flags, size):
    """At the first line of outcomes, at a later one or the record, or at the images."""
    flags = ["--attacks=2pgd2", "--batch_size=2", *flags]
    with disk_of(size):
        code = command(run, *flags)
    if code:
        assert code == 1 and "nothing more can be written" in error_line(capsys)
        assert command(run, *flags) == 0
    assert code or size == 3000 and not flags[2:]
    assert attacks(run)[-2:] == ["2pgd2", "worst case"]


def test_results_cut_off_mid_line(run, capsys):
    assert command(run, "--attacks=fgsm") == 0
    (path,) = [p for p in run.glob("evaluation/*") if '"fgsm"' in p.read_text()]
    path.write_text(path.read_text()[:-9])
    with pytest.warns(UserWarning, match="was cut off and is left out"):
        assert command(run, "--attacks=fgsm") == 0
    first, _, again, _ = read_results(run / "results.jsonl")
    assert again == first


def test_adversarial_images_of_other_weights(run, tmp_path, capsys):
    flags = ["--attacks=fgsm,pgd2", "--save_adversarial"]
    assert command(run, *flags) == 0
    path = run / "adversarial/pgd2.npz"
    with np.load(path) as stored:
        content = dict(stored)
    identity = json.loads(str(content["identity"]))
    np.savez(path, **{**content, "identity": json.dumps({**identity, "weights_hash": "other"})})
    capsys.readouterr()
    before = (run / "results.jsonl").read_text()
    assert command(run, *flags) == 2
    assert "pgd2.npz was made with another weights_hash" in error_line(capsys)
    path.write_bytes(b"torn")
    assert command(run, *flags) == 2
    assert "pgd2.npz cannot be read" in error_line(capsys)
    assert (run / "results.jsonl").read_text() == before
    assert command(run, "--fresh", *flags) == 0


@pytest.mark.parametrize(
    "flags, text",
    [
        (["--attacks=pdg20,clean,nosuch"], "unknown attacks: 'pdg20', 'nosuch'; allowed: clean"),
        (["--attacks=transfer"], "--substitute=RUN"),
        (["--substitute=nowhere"], "nowhere holds no run"),
    ],
)
def test_mistakes(run, capsys, flags, text):
    assert command(run, *flags) == 2
    assert text in error_line(capsys)


def test_a_substitute_with_other_classes(run, finished, capsys, monkeypatch):
    from tla_tf import finished_run

    whole, calls = finished_run.FinishedRun.__init__, []

    def other(self, *args):
        whole(self, *args)
        calls.append(args)
        if len(calls) == 2:
            import dataclasses

            self.info = dataclasses.replace(self.info, class_names=("cat", "dog"))

    monkeypatch.setattr(finished_run.FinishedRun, "__init__", other)
    assert command(run, f"--substitute={finished}") == 2
    line = error_line(capsys)
    assert "knows 2 classes (cat, dog ...) on 8x8x1 images, the evaluated run 10 classes" in line


def test_checks_are_printed_and_stored(run, capsys, monkeypatch):
    monkeypatch.setattr(evaluation_checks, "LEVELS", {"quick": (16, 20)})
    assert command(run, "--attacks=pgd2,cw3,fgsm", "--checks=quick", "--batch_size=8") == 0
    said = capsys.readouterr().out
    assert "checks of PGD(linf eps=0.15, steps=2" in said and "on 16 images" in said
    stored = [json.loads(line) for line in (run / "checks.jsonl").read_text().splitlines()]
    assert len(stored) == 15 and "adaptive attack on the embedding" in {c["name"] for c in stored}
    for check in stored:
        assert f"{check['status']:<5}  {check['name']}: {check['figure']}" in said
        assert check["n"] == 16 and check["weights_hash"] and check["threat_model"]["eps"] == 0.15
