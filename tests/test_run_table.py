"""A row of a published table is one command: train, measure, paper beside ours."""

import importlib
import importlib.util
import json
import pathlib
import signal

import keras
import pytest
from made_results import BALL, made

import hm_tf.options
import hm_tf.run_table
import tla_tf.options
import tla_tf.run_table
from hm_tf.runs.training_run import MetricTrainingRun
from robust_tf.cli import run_table
from robust_tf.results.result import append_results, read_results

ROOT = pathlib.Path(__file__).parents[1]
COMMANDS = {"tla_tf": tla_tf.run_table, "hm_tf": hm_tf.run_table}
TABLES = {"train": "TRAIN", "evaluate": "EVALUATE", "analyze": "ANALYZE"}


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("tools_run_table", ROOT / "tools/run_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(out):
    return [line for line in out.splitlines() if line.startswith("python -m ")]


@pytest.mark.parametrize("package", COMMANDS)
def test_every_row_is_trained_and_measured_in_one_folder(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"tla_tf": tla_tf.options, "hm_tf": hm_tf.options}[package]
    paper = COMMANDS[package].PAPER
    rows = [row for row in paper.rows() if row.flags]
    assert len(rows) > 50
    for row in rows:
        if package == "hm_tf" and row.table == "table1":
            continue  # its network is not trained
        (first, training), *others, (last, measure) = paper.commands(row, ["--seed=1"])
        assert first == f"{package}.train" and training == [*row.flags, "--seed=1"]
        assert len(others) == (2 if row.table == "table1" and package == "tla_tf" else 0)
        table = getattr(options, TABLES[last.rpartition(".")[2]])
        measured = table.parse(measure)
        folder = options.workdir_of(options.TRAIN.parse(training))
        assert measured.workdir in (folder, [folder])


def test_the_black_box_column_has_substitutes_of_another_seed(capsys):
    assert tla_tf.run_table.main(["run_table", "--row=table1/cifar10/tla", "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert commands(out) == [
        "python -m tla_tf.train --dataset=cifar10 --method=tla",
        "python -m tla_tf.train --dataset=cifar10 --method=tla --method=um --seed=1",
        "python -m tla_tf.train --dataset=cifar10 --method=tla --method=at --seed=1",
        "python -m tla_tf.evaluate --attacks=table1 --workdir=runs/tla_tf/cifar10/tla/seed0 "
        "--substitute=runs/tla_tf/cifar10/um/seed1 --substitute=runs/tla_tf/cifar10/at/seed1",
    ]
    assert "published, table1/cifar10/tla: clean 86.21" in out


def test_a_substitute_has_the_given_flags_that_it_reads(capsys):
    given = ["--attack_steps", "5", "--margin=0.1", "--noconcat_forward", "--train_steps", "9"]
    row = "--row=table1/cifar10/tla"
    assert tla_tf.run_table.main(["run_table", row, *given, "--dry_run"]) == 0
    _, um, at, _ = commands(capsys.readouterr().out)
    start = "python -m tla_tf.train --dataset=cifar10 --method=tla "
    assert um == f"{start}--train_steps=9 --method=um --seed=1"
    assert at == f"{start}--attack_steps=5 --train_steps=9 --method=at --seed=1"
    # A flag that the row itself does not read is a mistake.
    assert tla_tf.run_table.main(["run_table", "--row=table1/cifar10/um", *given]) == 2


def test_a_run_that_is_not_the_rows_is_said(tmp_path, monkeypatch, capsys):
    flags = tla_tf.options.TRAIN.resolve(["--dataset=mnist", "--method=tla_rn"])
    (tmp_path / "config.json").write_text(json.dumps({"flags": flags}))
    append_results(tmp_path / "results.jsonl", [made("cw30", 0.5, dataset="mnist")])
    monkeypatch.setattr(run_table, "_call", lambda *command: 0)
    given = ["--row=pool/1", "--dataset=mnist", f"--workdir={tmp_path}"]
    assert tla_tf.run_table.main(["run_table", *given]) == 0
    said = "pool/1: data set, method, norm or radius of the run are not the row's"
    assert said in capsys.readouterr().out


def test_doubtful_values_have_a_mark(capsys):
    assert tla_tf.run_table.main(["run_table", "--row=table1/cifar10/tla_rn", "--dry_run"]) == 0
    assert "20pgd20 45.55 ?" in capsys.readouterr().out


@pytest.mark.parametrize("package", COMMANDS)
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_of_the_command_not_of_the_training(package, word, capsys):
    assert COMMANDS[package].main(["run_table", word]) == 0
    out = capsys.readouterr().out
    assert "--device_tflops" in out and "--train_steps" not in out


def test_a_row_may_stand_behind_its_flag(tool, capsys):
    words = ["--seed", "3", "--row", "table9/HM[S,gLGA]/8", "--dry_run"]
    assert tool.main(words) == 0
    (training, _) = commands(capsys.readouterr().out)
    assert training.endswith("--pgd_steps=8 --seed 3")


def test_rows_by_a_pattern(capsys):
    assert hm_tf.run_table.main(["run_table", "--rows=table9/HM[S,*]/8", "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert len(commands(out)) == 6 and out.count("published, table9/HM[S,g") == 3


def test_the_list(tool, capsys):
    assert tool.main(["--list"]) == 0
    listed = set(capsys.readouterr().out.split("\n"))
    assert {"table6/CUB/HM[S,gLGA]&ICS/8", "table1/cifar10/tla"} <= listed
    assert "anchors/wu2020" not in listed


def lenet_large_flop():
    """Of the forward pass of one image: two per multiplication, by the sizes of the layers."""
    convolutions = [(28, 1, 32), (28, 32, 64), (14, 64, 128), (14, 128, 256)]
    products = sum(side**2 * 9 * width * filters for side, width, filters in convolutions)
    return 2 * (products + 7 * 7 * 256 * 1024 + 1024 * 10)


def test_device_hours_of_a_row_and_its_substitutes(capsys):
    row = ["--row=table1/mnist/at", "--device_hours", "--device_tflops=2"]
    assert tla_tf.run_table.main(["run_table", *row]) == 0
    _, _, *costs, total = (line.split() for line in capsys.readouterr().out.splitlines())
    images = 100_000 * 50
    at, um = (images * (3 + steps * 2) * lenet_large_flop() for steps in (40, 0))
    assert [cost[0] for cost in costs] == [f"{flop / 2e12 / 3600:.2f}" for flop in (at, um, at)]
    assert [cost[1] for cost in costs] == [f"{flop / 1e15:.4g}" for flop in (at, um, at)]
    assert total[:2] == [f"{(2 * at + um) / 2e12 / 3600:.2f}", f"{(2 * at + um) / 1e15:.4g}"]


def test_device_hours_grow_with_the_steps_of_the_attack(capsys, monkeypatch):
    image = keras.Input([224, 224, 3])
    small = keras.Model(image, keras.layers.Conv2D(64, 7)(image))
    monkeypatch.setattr(MetricTrainingRun, "build_network", lambda run: small)
    assert hm_tf.run_table.main(["run_table", "--rows=table3/ACT[R]/*", "--device_hours"]) == 0
    *_, total = lines = capsys.readouterr().out.splitlines()[2:]
    hours = [float(line.split()[0]) for line in lines]
    # eta 2, 4, 8, 16, 32: 1 + 2 * eta + 4.5 forward passes.
    ratios = [hour / hours[0] for hour in hours[:5]]
    assert ratios == pytest.approx([1, 13.5 / 9.5, 21.5 / 9.5, 37.5 / 9.5, 69.5 / 9.5], rel=0.02)
    assert total.endswith("all 5")


MISTAKES = [
    ("", "give one of --row=NAME, --rows=PATTERN and --list"),
    ("--row=table3/x", "there is no row 'table3/x'"),
    ("--rows=table99/*", "--rows=table99/* matches no row"),
    ("--row=anchors/wu2020", "no flags of this package reproduce it"),
    ("--rows=table1/mnist/* --workdir=run", "--workdir is one folder"),
    ("--row=table1/mnist/at --dry_run --epz=0.1", "epz"),
    ("--row", "--row=: it has no value"),
    ("--row=table1/mnist/at --device_hours --device_tflops=0", "device_tflops"),
]


@pytest.mark.parametrize("arguments, message", MISTAKES)
def test_mistakes(tool, arguments, message, capsys):
    assert tool.main(arguments.split()) == 2
    assert message in capsys.readouterr().err


def test_a_series_over_the_pool_on_other_data(capsys):
    """The recipe of digits takes candidates from the batch."""
    given = ["run_table", "--rows=pool/*", "--dataset=digits"]
    assert tla_tf.run_table.main([*given, "--dry_run"]) == 0
    assert capsys.readouterr().out.count("tla_tf.train") == 5
    # A mistake in the second row is said before the first one trains.
    assert tla_tf.run_table.main([*given, "--pool=batch"]) == 2
    printed = capsys.readouterr()
    assert not printed.out and "--pool=separate" in printed.err


def test_a_failed_command_ends_the_row(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(run_table, "_call", lambda *command: called.append(command) or 1)
    assert hm_tf.run_table.main(["run_table", "--row=table3/ACT[R]/8"]) == 1
    (only,) = called
    assert only[0] == "hm_tf.train" and "published" not in capsys.readouterr().out


def test_paper_and_ours(tmp_path, monkeypatch, capsys):
    """Of a run whose commands have all been done before."""
    flags = tla_tf.options.TRAIN.resolve(["--dataset=cifar10", "--method=at"])
    (tmp_path / "config.json").write_text(json.dumps({"flags": flags}))
    about = {"dataset": "cifar10", "n": 10_000, "method": "at", "model": "wrn_32_10"}
    ball, transfer = {**BALL, "eps": 8 / 255}, "transfer-pgd7 from um-wrn_32_10-seed1"
    found = made("clean", 0.87, **about), made(transfer, 0.61, threat_model=ball, **about)
    append_results(tmp_path / "results.jsonl", found)
    monkeypatch.setattr(run_table, "_call", lambda *command: 0)
    row = "--row=table1/cifar10/at"
    assert tla_tf.run_table.main(["run_table", row, f"--workdir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert f"--workdir={tmp_path}-um-substitute" in out
    assert "table1/cifar10/at: comparable" in out
    assert "87.14  87.00  -0.14" in out and "62.83  61.00  -1.83" in out


def test_commands_are_processes_whose_exit_code_counts():
    assert run_table._call("hm_tf.run_table", ["--help"]) == 0
    assert run_table._call("hm_tf.run_table", ["--epz=1", "--help=no", "--list=maybe"]) == 2


OBEYING = """
import os, signal, sys, time
number = int(sys.argv[1])
signal.signal(number, lambda *_: sys.exit(7))
os.kill(os.getppid(), number)
if number == signal.SIGINT:  # from the terminal, to both
    time.sleep(0.5)
    signal.raise_signal(number)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_finishes_its_step_after_a_signal(number, tmp_path, monkeypatch, heard_signals):
    (tmp_path / "obeying.py").write_text(OBEYING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_table._call("obeying", [str(int(number))]) == 7


def test_a_signal_while_a_command_is_started_comes_to_it(monkeypatch, heard_signals):
    sent = []

    class Started:
        def __init__(self, command):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

        def send_signal(self, number):
            sent.append(number)

        def wait(self):
            return 7

    monkeypatch.setattr("subprocess.Popen", Started)
    assert run_table._call("any", []) == 7
    assert sent == [signal.SIGTERM]


def test_a_command_that_is_killed_ends_as_in_a_shell(tmp_path, monkeypatch, heard_signals):
    (tmp_path / "killed.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_table._call("killed", []) == 128 + 9


@pytest.mark.usefixtures("eager")
def test_a_row_trains_and_is_measured_made_small(tmp_path, monkeypatch, capsys):
    def call(module, arguments):
        """In this process, with one attack of the nine."""
        one = ["--attacks=ES"] if module == "hm_tf.evaluate" else []
        return importlib.import_module(module).main([module, *arguments, *one])

    monkeypatch.setattr(run_table, "_call", call)
    small = ["--flagfile=flags/hm/smoke.flags", "--model=digits_embedding", "--init_weights=none"]
    small += ["--dataset=digits", "--limit_test=40", f"--workdir={tmp_path / 'run'}"]
    assert hm_tf.run_table.main(["run_table", "--row=table11/HM[R,R]", *small]) == 0
    out = capsys.readouterr().out
    assert "published, table11/HM[R,R]: R@1 53.9" in out
    assert "beside HM[R,R] on CUB: not comparable: dataset digits, not cub200" in out
    shift = next(line.split() for line in out.splitlines() if line.startswith("ES:D "))
    assert shift[:2] == ["ES:D", "1.762"] and 0 < float(shift[2]) < 2


def test_the_samplers_of_table_1_are_measured_once(tmp_path, monkeypatch, capsys):
    def call(module, arguments):
        return importlib.import_module(module).main([module, *map(str, arguments)])

    monkeypatch.setattr(run_table, "_call", call)
    monkeypatch.chdir(tmp_path)
    small = ["--rows=table1/*hard", "--dataset=digits", "--batches=2"]
    assert hm_tf.run_table.main(["run_table", *small]) == 0
    out = capsys.readouterr().out
    assert [line.split()[2] for line in commands(out)] == ["hm_tf.analyze"]
    assert "published, table1/softhard: E[H] -0.085, Var[H] 0.00122" in out
    differing = "data set digits, not cub200; network digits_embedding, not resnet18; batches 2"
    assert f"table1/semihard: not comparable: {differing}, not 1000; random weights" in out
    (records,) = tmp_path.rglob("*.jsonl")
    found = {(r.attack_settings["sampler"], r.metric): r.value for r in read_results(records)}
    ours = found["softhard", "mean hardness"]
    assert f"E[H]                  -0.085   {ours:.3f}" in out and f"{ours + 0.085:+.3f}" in out


@pytest.mark.parametrize("package", COMMANDS)
def test_every_command_has_a_console_script(package):
    text = (ROOT / "setup.cfg").read_text()
    for path in (ROOT / package).glob("*.py"):
        if "__main__" in path.read_text():
            name = f"{package.removesuffix('_tf')}-{path.stem.replace('_', '-')}"
            assert f"    {name} = {package}.{path.stem}:main\n" in text
            assert callable(importlib.import_module(f"{package}.{path.stem}").main)
