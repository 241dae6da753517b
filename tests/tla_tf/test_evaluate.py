"""The command: groups, transfer, killed processes, a full disk, files that do not fit."""

import contextlib
import json
import os
import resource
import shutil
from signal import SIGKILL

import keras
import numpy as np
import pytest
from reliability import ENDS, Stop, stopped

from robust_tf.attacks import auto_attack, cleverhans_adapter
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.square import Square
from robust_tf.checks import run_checks
from robust_tf.evaluation import classifier_evaluation
from robust_tf.results.result import read_results
from robust_tf.runs import provenance
from robust_tf.runs.run_folder import RunFolder
from tla_tf import evaluate
from tla_tf.evaluation import attack_columns, evaluation_checks
from tla_tf.runs.finished_run import FinishedRun

EAGER = pytest.mark.usefixtures("eager")

# The members of AutoAttack with few steps.
SHORT = {
    "apgd-ce": lambda ball: APGD(ball, "ce", steps=2),
    "apgd-t": lambda ball: APGD(ball, "targeted-dlr", steps=2),
    "fab-t": lambda ball: FAB(ball, steps=1),
    "square": lambda ball: Square(ball, queries=2),
}


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


def test_a_folder_that_takes_no_records_is_said_before_any_work(run, monkeypatch, capsys):
    monkeypatch.setattr("robust_tf.data.dataset.Dataset.load", None)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert command(run) == 2
    assert f"--workdir={run}: {run} is no folder to write to" in error_line(capsys)


@EAGER
def test_table1_with_and_without_a_substitute(run, finished, capsys, monkeypatch):
    few = ("fgsm", "bim2", "cw2", "pgd7", "2pgd2", "mim2")  # steps
    monkeypatch.setitem(attack_columns.TABLE1, "cifar10", few)
    assert command(run, "--attacks=table1", "--limit_test=6") == 0
    assert "left out: the black-box column" in capsys.readouterr().out
    assert attacks(run) == ["clean", *few, "worst case"]
    assert command(run, "--attacks=table1", "--limit_test=6", f"--substitute={finished}") == 0
    said = capsys.readouterr().out
    assert "left out" not in said and "2pgd2: stored" in said
    results = read_results(run / "results.jsonl")[len(few) + 2 :]
    own = {result.attack: result for result in results}
    assert own["transfer-pgd7 from tla-digits_cnn-seed0"].correct == own["pgd7"].correct


@EAGER
def test_cleverhans_beside_ours_with_the_difference(run, capsys, monkeypatch):
    # Its loops are unrolled: of 40 steps of mim the trace alone takes half a minute.
    monkeypatch.setitem(attack_columns.TABLE1, "cifar10", ("fgsm", "bim3", "cw2", "pgd3", "mim3"))
    few = {"cw2": (2, 0.05), "spsa": (2, 0.01)}
    monkeypatch.setattr(cleverhans_adapter, "DEFAULTS", few)
    monkeypatch.setattr(auto_attack, "MEMBERS", {**auto_attack.MEMBERS, **SHORT})
    assert command(run, "--attacks=cleverhans", "--limit_test=2") == 0
    said = capsys.readouterr().out
    for name in ("fgm", "bim3", "pgd3", "madry3", "mim3", "cw2", "spsa"):
        assert f"cleverhans-{name}" in said
    assert "our bim3" in said and "difference +0.00 points" in said
    for ours in ("pgd3", "mim3", "fab-t", "square"):
        assert f"our {ours} " in said


def lines_of(run):
    return sum(path.read_text().count("\n") for path in run.glob("evaluation/*"))


def always_right_on_the_first_image(run):
    """Whatever the training has learnt: the second restart then has an image to attack."""
    finished = FinishedRun(run)
    network, (label,) = finished.network(), finished.dataset.load("test").labels[:1]
    network.get_layer("logits").bias.assign(100.0 * np.eye(10)[label])
    finished.folder.save_network(network, finished.folder.final_weights)


@EAGER
def test_killed_twice_the_result_is_the_same(run, tmp_path):
    """Among the images of the first restart, and before those of the second."""
    always_right_on_the_first_image(run)
    flags = ["--attacks=2pgd2", "--batch_size=2"]
    untouched = shutil.copytree(run, tmp_path / "untouched")
    given = [f"--workdir={run}", "--limit_test=20", *flags]
    for event, lines in ((5, 3), (18, 11)):
        stop = Stop(event=event, place="evaluation")
        code = stopped("tla_tf.evaluate", given, run, tmp_path / "said.txt", stop, eager=True)
        assert code in ENDS[SIGKILL]
        assert lines_of(run) == lines
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


@pytest.mark.filterwarnings("ignore:.*was cut off")
@EAGER
def test_disk_full(run, capsys):
    """At the first line of outcomes, at a later one or the record, and at the images."""
    flags, images = ["--attacks=2pgd2", "--batch_size=2"], ["--save_adversarial"]
    for size, more in ((300, []), (900, []), (3000, images)):
        with disk_of(size):
            assert command(run, *flags, *more) == 1
        assert "nothing more can be written" in error_line(capsys)
        assert bool(lines_of(run)) == (size > 300)
    assert command(run, *flags, *images) == 0
    assert attacks(run)[-2:] == ["2pgd2", "worst case"]


@EAGER
def test_results_cut_off_mid_line(run, capsys):
    assert command(run, "--attacks=fgsm") == 0
    (path,) = [p for p in run.glob("evaluation/*") if '"fgsm"' in p.read_text()]
    path.write_text(path.read_text()[:-9])
    with pytest.warns(UserWarning, match="was cut off or damaged and left out"):
        assert command(run, "--attacks=fgsm") == 0
    first, _, again, _ = read_results(run / "results.jsonl")
    assert again == first


def test_clean_images_alone_have_no_worst_case(run, capsys):
    before = len(read_results(run / "results.jsonl"))
    assert command(run, "--attacks=clean") == 0
    assert [r.attack for r in read_results(run / "results.jsonl")[before:]] == ["clean"]
    assert "worst case" not in capsys.readouterr().out


@EAGER
def test_records_name_the_parts_of_a_training_under_other_conditions(run, monkeypatch):
    other = {"versions": {"tensorflow": "3.0"}, "commit": "other", "device": "x", "precision": "y"}
    monkeypatch.setattr(provenance, "provenance", lambda: other)
    with pytest.warns(UserWarning, match="goes on under other conditions: tensorflow .*, now 3.0"):
        RunFolder(run).begin_segment(4)
    assert command(run, "--attacks=clean") == 0
    first, second = read_results(run / "results.jsonl")[-1].segments
    assert first.startswith("updates 1 to 4: python 3") and "float32" in first
    assert second == "updates 5 on: tensorflow 3.0, commit other, device x, precision y"


@EAGER
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
    content = path.read_bytes()
    for damaged in (b"torn", content[:-9], content.replace(b"attacked.npy", b"attacked.npx")):
        path.write_bytes(damaged)
        assert command(run, *flags) == 2
        assert "pgd2.npz cannot be read" in error_line(capsys)
    assert (run / "results.jsonl").read_text() == before
    assert command(run, "--fresh", *flags) == 0


@pytest.mark.parametrize(
    "flags, text",
    [
        (
            ["--attacks=pdg20,clean,nosuch"],
            "'pdg20' (did you mean 'pgd20'?), 'nosuch'; allowed: clean",
        ),
        (["--attacks=transfer"], "--substitute=RUN"),
        (["--norm=l2"], "--norm=l2 needs --eps: 0.15 is a radius in linf"),
        (["--substitute=nowhere"], "nowhere holds no run"),
        (["--substitute={run}/../run"], "/../run is the evaluated run itself"),
    ],
)
def test_mistakes(run, capsys, flags, text):
    assert command(run, *(flag.format(run=run) for flag in flags)) == 2
    assert text in error_line(capsys)


def test_a_substitute_with_other_classes(run, finished, capsys, monkeypatch):
    from tla_tf.runs import finished_run

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


def rename_method(run, method):
    config = json.loads((run / "config.json").read_text())
    config["flags"]["method"] = method
    (run / "digest.json").unlink()
    (run / "config.json").write_text(json.dumps(config))


@EAGER
def test_of_several_substitutes_the_undefended_serves_the_checks(
    run, finished, tmp_path, monkeypatch, capsys
):
    seen, other = [], shutil.copytree(run, tmp_path / "other")
    monkeypatch.setattr(
        evaluation_checks,
        "check_attacks",
        lambda evaluation, *args, **kw: seen.append((evaluation, kw["undefended"])),
    )
    flags = ["--attacks=transfer-fgsm", "--checks=quick", f"--substitute={other}"]
    assert command(run, *flags) == 0
    assert command(run, *flags, f"--substitute={finished}") == 2
    assert f"--substitute={finished} is a second tla-digits_cnn-seed0" in error_line(capsys)
    rename_method(finished, "um")
    assert command(run, *flags, f"--substitute={finished}") == 0
    (_, none), (evaluation, undefended) = seen
    assert none is None
    assert undefended is evaluation._substitutes["um-digits_cnn-seed0"].logits_fn
    found = [f"transfer-fgsm from {method}-digits_cnn-seed0" for method in ("tla", "um")]
    assert attacks(run) == [found[0], "worst case", *found, "worst case"]


@pytest.mark.parametrize("form, decay", [("l1", 1.0), ("ema", 0.9)])
@EAGER
def test_mim_form(run, form, decay):
    assert command(run, "--attacks=mim3") == 0
    assert command(run, "--attacks=mim3,fgsm", f"--mim_form={form}") == 0
    plain, _, other, fgsm, _ = read_results(run / "results.jsonl")
    assert (plain.attack, other.attack, fgsm.attack) == ("mim3", f"mim3-{form}", "fgsm")
    assert plain.attack_settings["momentum"] == {"decay": 1.0, "form": "accumulate"}
    assert other.attack_settings["momentum"] == {"decay": decay, "form": form}
    identities = [path.read_text().splitlines()[0] for path in run.glob("evaluation/*")]
    assert sum(f'"form": "{form}"' in line for line in identities) == 1, "of its own"


@EAGER
def test_round_pixels(run, monkeypatch):
    monkeypatch.setattr(auto_attack, "MEMBERS", {**auto_attack.MEMBERS, **SHORT})
    flags = ["--attacks=pgd3,standard", "--limit_test=4", "--save_adversarial"]
    assert command(run, *flags, "--round_pixels") == 0
    assert command(run, "--attacks=pgd3", "--limit_test=4", "--save_adversarial") == 0
    levels = {}
    for name in ("pgd3-rounded", "pgd3", "standard-rounded-square-rounded"):
        with np.load(run / f"adversarial/{name}.npz") as stored:
            levels[name] = 255 * stored["images"]
    for name, found in levels.items():
        whole = np.abs(found - np.round(found)).max() < 1e-3
        assert whole == name.endswith("-rounded")
    results = {result.column: result for result in read_results(run / "results.jsonl")}
    assert results["pgd3-rounded"].attack_settings["rounded"] is True
    assert "rounded" not in results["pgd3"].attack_settings
    assert results["worst case, rounded"].attack_settings["over"][1:] == [
        "pgd3-rounded",
        "standard-rounded",
    ]


def test_outputs_that_are_not_finite(run, capsys):
    network = keras.models.load_model(run / "final.keras", compile=False)
    network.get_layer("logits").bias.assign(np.full(10, np.nan))
    network.save(run / "final.keras")
    (run / "digest.json").unlink()  # it would refuse weights of another
    assert command(run, "--attacks=fgsm") == 1
    assert "fgsm: outputs of the network are not finite" in error_line(capsys)
    assert not (run / "results.jsonl").exists()


def test_weights_that_cannot_be_read(run, capsys):
    weights = (run / "final.keras").read_bytes()
    (run / "final.keras").write_bytes(weights[: len(weights) // 2])
    assert command(run, "--attacks=fgsm") == 1
    assert "final.keras cannot be read" in error_line(capsys)


@EAGER
def test_checks_are_printed_and_stored_and_attack_nothing_twice(run, capsys, monkeypatch):
    """Neither what the columns are, nor, when the command comes again, anything at all."""
    monkeypatch.setattr(evaluation_checks, "LEVELS", {"quick": (16, 20)})
    monkeypatch.setattr(run_checks, "RESTARTS", 3)
    attacked, whole = [], classifier_evaluation.attack_loop

    def recorded(*images, **work):
        before = work["cache"].added
        runs = whole(*images, **work)
        attacked.extend([work["title"]] * (work["cache"].added > before))
        return runs

    monkeypatch.setattr(classifier_evaluation, "attack_loop", recorded)
    flags = ["--attacks=3pgd2,pgd2,cw3,fgsm", "--checks=quick", "--batch_size=20"]
    assert command(run, *flags) == 0
    assert sorted(name for name in attacked if name.endswith("pgd2")) == ["3pgd2", "pgd2"]
    assert attacked.count("fgsm") == 1
    assert {"pgd4", "apgd-dlr", "pgd2 at 2 eps", "pgd2 unbounded"} < set(attacked)
    lines = (run / "checks.jsonl").read_text()
    said, stored = capsys.readouterr().out, [json.loads(line) for line in lines.splitlines()]
    assert "checks of PGD(linf eps=0.15, steps=2" in said and "on 16 images" in said
    names = {check["name"] for check in stored}
    assert len(stored) == len(names) == 17
    assert {"adaptive attack on the embedding", "detector that the attack knows"} < names
    for check in stored:
        assert f"{check['status']:<5}  {check['name']}: {check['figure']}" in said
        assert check["n"] == 16 and check["weights_hash"] and check["threat_model"]["eps"] == 0.15
    del attacked[:]
    assert command(run, *flags) == 0
    assert not attacked
    assert (run / "checks.jsonl").read_text() == 2 * lines
