"""A mistake that can be known beforehand: one line, exit code 2, nothing trained or written."""

import shutil
import urllib.error
import urllib.request

import pytest
from forked import begun

from robust_tf import data
from robust_tf.runs import fitting
from tla_tf import evaluate, export, train

MISTAKES = [
    ("--dataset=imagenet", "digits, mnist, cifar10"),
    ("--method=free", "um|at|alp|tla|tla_rn|tla_sa|trades|mart"),
    ("--model=vgg", "digits_cnn, lenet_large"),
    ("--model=wrn_9_1", "6n + 4"),
    ("--eval_attacks=clean,nosuch", "'nosuch'"),
    ("--eval_attacks=", "no attack"),
    ("--epz=0.1", "'epz'"),
    ("eps=0.1", "--name=value"),
    ("--precision=float16", "mixed_float16"),
    ("--eps=abc", "--eps=abc"),
    ("--eps=-0.1", "--eps=-0.1"),
    ("--eps=1/0", "--eps=1/0"),
    ("--eps=nan", "--eps=nan"),
    ("--attack_step_size=-1", "--attack_step_size=-1"),
    ("--own_noise=loud", "--own_noise=loud"),
    ("--batch_size=0", "--batch_size=0"),
    ("--batch_size=many", "--batch_size=many"),
    ("--train_steps=0", "--train_steps=0"),
    ("--checkpoint_every=-1", "--checkpoint_every=-1"),
    ("--attack_steps=0", "--attack_steps=0"),
    ("--limit_train=0", "--limit_train=0"),
    ("--limit_test=-3", "--limit_test=-3"),
    ("--pool_mul=0", "--pool_mul=0"),
    ("--logical_cpus=0", "--logical_cpus=0"),
    ("--eval_batch_size=0", "--eval_batch_size=0"),
    ("--seed=-1", "--seed=-1"),
    ("--seed=4294967296", "--seed=4294967296"),
    ("--weight_decay=-1", "--weight_decay=-1"),
    ("--weight_decay=nan", "--weight_decay=nan"),
    ("--margin=inf", "--margin=inf"),
    ("--label_smoothing=1.5", "--label_smoothing=1.5"),
    ("--neg_keep=2", "--neg_keep=2"),
    ("--learning_rates=fast", "'fast'"),
    ("--learning_rates=nan", "'nan'"),
    ("--learning_rates=-0.1", "'-0.1'"),
    ("--learning_rates=", "one rate more"),
    ("--learning_rates=0.1,0.2", "one rate more"),
    ("--learning_rates=1,2 --boundaries=1.5", "'1.5'"),
    ("--learning_rates=1,2,3 --boundaries=5,3", "ascend"),
    ("--learning_rates=1,2 --boundaries=0", "positive"),
    ("--method=tla_rn --negative=nearest", "use --method=tla"),
    ("--image_size=16", "--image_size goes with --dataset=cub200, cars196, sop, folder"),
    ("--attack_step_size=2", "did you mean 2/255?"),
    ("--attack_step_size=0", "--attack_step_size=0: steps of no length attack nothing"),
    ("--own_noise=8 --positive=both", "did you mean 8/255?"),
    ("--method=alp --alp_clean_weight=2", "--alp_clean_weight=2"),
    ("--label_smoothing=1", "--label_smoothing=1"),
    ("--method=at --margin=0.1", "--margin goes with --method=tla, tla_rn, tla_sa, not at"),
    ("--method=um --attack_steps=3", "--attack_steps goes with --method=at, alp, tla"),
    ("--method=tla --alp_weight=1", "--alp_weight goes with --method=alp, not tla"),
    ("--method=at --positive=own", "--positive goes with --method=tla, tla_rn, tla_sa, not at"),
    ("--pool_mul=3", "goes with --pool=separate, not batch"),
    ("--neg_keep=0.3", "goes with --negative=masked"),
    ("--dataset=cub200", "python -m hm_tf.train --dataset=cub200"),
    ("--dataset=mnist --data_dir=nowhere", "--data_dir=nowhere"),
    ("--flagfile=nowhere.flags", "nowhere.flags does not exist"),
    ("--flagfile=quote.flags", "quotation"),
    ("--flagfile=bytes.flags", "bytes.flags cannot be read"),
    ("--flagfile", "--flagfile=FILE"),
    ("--workdir=quote.flags", "quote.flags is no folder"),
    ("--workdir=quote.flags/run", "quote.flags is no folder"),
    ("--workdir=full", "not empty"),
    ("--workdir=stranger", "holds no run"),
    ("--init_from=nowhere", "nowhere holds no run"),
    ("--init_from=stranger", "stranger holds no run"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with things that are no run; loading and training are forbidden."""

    def forbidden(*args, **kwargs):
        raise AssertionError("the work has begun")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data.Dataset, "load", forbidden)
    monkeypatch.setattr(fitting, "train", forbidden)
    (tmp_path / "quote.flags").write_text('--eps="0.1\n')
    (tmp_path / "bytes.flags").write_bytes(b"\xff\xfe")
    for name in ("full/notes.txt", "stranger/config.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.fixture
def refused(folder, capsys):
    """Returns the function that expects a command to say `text` in one line and write nothing."""

    def refused(main, flags, text):
        before = sorted(folder.rglob("*"))
        capsys.readouterr()
        assert main(["command", *flags]) == 2
        said = capsys.readouterr()
        assert not said.out, "one line, not after others"
        lines = said.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: ") and text in lines[0], lines
        assert sorted(folder.rglob("*")) == before

    return refused


@pytest.mark.parametrize("flags, text", MISTAKES, ids=[flags for flags, _ in MISTAKES])
def test_training(refused, flags, text):
    refused(train.main, ["--flagfile=flags/tla/smoke.flags", *flags.split()], text)


def test_without_the_mistake_the_work_begins(smoke):
    with pytest.raises(AssertionError, match="the work has begun"):
        smoke()


def test_no_data_and_no_network(refused, folder, monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder / "data"))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    refused(train.main, ["--dataset=mnist", "--model=digits_cnn"], "cannot be downloaded")


@pytest.mark.parametrize(
    "flags, text",
    [
        (
            ["--margin=0.7", "--method=tla_rn"],
            "--margin was 0.05, is 0.7; --method was tla, is tla_rn",
        ),
        (["--train_steps=4"], "--train_steps=4 may only grow"),
    ],
)
def test_run_folder_of_another_run(refused, finished, flags, text):
    before = (finished / "config.json").read_text()
    flags = ["--flagfile=flags/tla/smoke.flags", f"--workdir={finished}", *flags]
    refused(train.main, flags, text)
    assert (finished / "config.json").read_text() == before


@pytest.mark.parametrize(
    "flag, text",
    [
        ("--dataset=mnist", "is no lenet_large: layer conv1"),
        ("--model=lenet_small", "is no lenet_small: layer conv1"),
    ],
)
def test_weights_of_another_network(refused, finished, flag, text):
    flags = ["--flagfile=flags/tla/smoke.flags", f"--init_from={finished}", flag]
    refused(train.main, flags, text)


@pytest.mark.parametrize("main", [evaluate.main, export.main], ids=["evaluate", "export"])
def test_commands_that_need_a_finished_run(refused, finished, folder, main):
    export_dir = ["--export_dir=exported"] if main is export.main else []
    refused(main, export_dir, "--workdir")
    for name in ("nowhere", "full", "stranger", "quote.flags"):
        refused(main, [f"--workdir={name}", *export_dir], f"{name} holds no run")
    shutil.copytree(finished, "unfinished")
    (folder / "unfinished" / "final.keras").unlink()
    refused(main, ["--workdir=unfinished", *export_dir], "no final weights yet")


@pytest.mark.parametrize(
    "flag, text",
    [
        ("--attacks=nosuch", "'nosuch'"),
        ("--eps=abc", "--eps=abc"),
        ("--eps=-1", "--eps=-1"),
        ("--batch_size=0", "--batch_size=0"),
        ("--limit_test=0", "--limit_test=0"),
        ("--margin=1", "'margin'"),
    ],
)
def test_evaluation(refused, finished, flag, text):
    refused(evaluate.main, [f"--workdir={finished}", flag], text)


def test_xla_compiles_no_saved_model(refused):
    flags = ["--saved_model=served", "--jit_compile=true"]
    refused(evaluate.main, flags, "--jit_compile does nothing with --saved_model")


def test_export_without_a_folder_to_write_to(refused, finished):
    refused(export.main, [f"--workdir={finished}"], "--export_dir is required")
    said = "quote.flags is no folder to write to"
    refused(export.main, [f"--workdir={finished}", "--export_dir=quote.flags"], said)


def test_replicas_that_do_not_divide_the_batch(folder, tmp_path):
    """In a process of its own: this one's processor cannot be divided any more."""
    flags = ["--strategy=mirrored", "--logical_cpus=2", "--batch_size=7", f"--workdir={folder}/run"]
    files = {"output": tmp_path / "said.txt", "errors": tmp_path / "errors.txt"}
    process = begun(train.main, ["train", *flags], **files)
    process.join()
    assert process.exitcode == 2
    (line,) = files["errors"].read_text().splitlines()
    assert "multiple of 2" in line
    assert not (folder / "run").exists()
