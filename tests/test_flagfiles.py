"""The recipes in flags/: complete, sourced, buildable, combined in the promised order."""

import pathlib
import re
import shlex
import shutil
import types

import keras
import pytest

import hm_tf.train
import tla_tf.train
from hm_tf import options as hm
from robust_tf.data import DATASETS
from robust_tf.errors import UserError
from robust_tf.results.result import read_results
from robust_tf.runs.run_folder import RunFolder
from robust_tf.threat_model import ThreatModel
from robust_tf.training.learning_rate import learning_rate
from robust_tf.training.optimizer import make_optimizer
from tla_tf import options as tla
from tla_tf.evaluation.attack_columns import attack_columns
from tla_tf.runs.finished_run import FinishedRun

STORE = pathlib.Path(__file__).parents[1] / "flags"
FILES = sorted(STORE.glob("*/*.flags"))
# subfolder of flags/ -> the flags its files may set, and the run they are for
TABLES = {"tla": tla.TRAIN, "hm": hm.TRAIN}
RUNS = {"tla": tla_tf.train.training_run, "hm": hm_tf.train.training_run}
# What a run is about, as opposed to numbers that somebody chose.
NO_CHOICE = ("dataset", "model", "eval_attacks")
SOURCE = re.compile(r"#.*(\[paper\]|\[code\]|\[own\]|unused)")


def arguments_of(path):
    """What a user types for a recipe: the data set, or a variant as a flagfile."""
    names_dataset = "--dataset=" in path.read_text()
    return [f"--flagfile={path}"] if names_dataset else [f"--dataset={path.stem}"]


def options_of(path, *typed):
    """The `Options` of a run with this file, laid over the recipe of its data set."""
    return TABLES[path.parent.name].parse([*arguments_of(path), *typed])


def settings_of(path, *typed):
    """The settings of that run, without its data."""
    return RUNS[path.parent.name](options_of(path, *typed)).settings


def tiny_network():
    image = keras.Input([2, 2, 1], name="image")
    embedding = keras.layers.Dense(4)(keras.layers.Flatten()(image))
    logits = keras.layers.Dense(3)(embedding)
    return keras.Model(image, {"logits": logits, "embedding": embedding})


def files(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=lambda path: path.relative_to(STORE).as_posix()
    )


every_file = files(FILES)


def test_every_folder_has_its_command():
    assert {path.parent.name for path in FILES} == TABLES.keys()
    assert {"digits", "mnist", "cifar10"} <= {path.stem for path in FILES}


@every_file
def test_every_flag_exists_and_every_number_has_its_source(path):
    text = path.read_text()
    header = text[: text.index("\n--")]
    assert all(line.startswith("#") for line in header.splitlines()), "says first what it is"
    known = TABLES[path.parent.name].flags.keys()
    for line in text[len(header) :].split("\n"):
        match = re.match(r"--(\w+)=\S+", line)
        assert match or not line or line.startswith("#"), f"no flag: {line}"
        if match and match[1] not in NO_CHOICE and "for tests" not in header:
            assert SOURCE.search(line), f"no source: {line}"
        assert not match or match[1] in known, f"no such flag: {line}"


@every_file
def test_every_required_flag_has_a_value(path):
    options = options_of(path)
    assert options.dataset in DATASETS
    required = [name for name, flag in options.table.flags.items() if flag.required]
    assert len(required) > 10 and all(options.values[name] is not None for name in required)


@pytest.fixture
def without_data(monkeypatch):
    """The settings need no image: a folder of the user's own may not exist."""
    monkeypatch.setattr("robust_tf.data.of_run", lambda flags: types.SimpleNamespace(info=None))


@files([path for path in FILES if path.parent.name == "hm"])
def test_metric_defense_can_be_built(path, without_data):
    options, settings = options_of(path), settings_of(path)
    settings.defense.check()
    model = settings.defense.build(tiny_network())
    assert model.attack.steps == options.pgd_steps
    assert model.attack.step_size == pytest.approx(options.pgd_step_size)
    assert model.shards == options.batch_size // options.shard_size
    assert model.term_weights.get("ics", 0.0) == options.ics


@files([path for path in FILES if path.parent.name == "tla"])
def test_attack_optimizer_and_defenses_can_be_built(path, without_data):
    options, network = options_of(path), tiny_network()
    # A file that sets the negatives is for the methods that leave them open.
    for method in [m for m in tla.METHODS if not (options.flags["negative"] and m == "tla_rn")]:
        settings = settings_of(path, f"--method={method}")
        ball = settings.defense.threat_model
        assert ball == ThreatModel(options.eps, options.norm)
        attack_columns(settings.eval_attacks, ball, options.dataset)
        if method != "um":
            attack, default = settings.defense.inner_attack, 2.5 * ball.eps / options.attack_steps
            assert attack.steps == options.attack_steps
            assert attack.step_size == pytest.approx(options.attack_step_size or default)
        model = settings.defense.build(network)
        assert model.weight_decay == options.weight_decay
        if method.startswith("tla"):
            norm = options.lambda_norm
            if options.norm_form == "mean_sq":
                norm *= options.lambda_triplet
            weights = model.term_weights
            assert weights["triplet"] == options.lambda_triplet
            assert weights["embedding_norm"] == pytest.approx(norm)
            assert model.margin == options.margin


def test_learning_rates_change_after_their_boundaries():
    cifar10 = tla.TRAIN.parse(["--dataset=cifar10"]).values
    optimizer = make_optimizer(
        learning_rate(cifar10["learning_rates"], cifar10["boundaries"]), "momentum"
    )
    rates = [0.1, 0.1, 0.01, 0.01, 0.001]
    for step, rate in zip((0, 50000, 50001, 60000, 60001), rates):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate)


def test_precedence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.flags"
    mine.write_text("--dataset=cifar10\n--margin=0.5 # chosen\n--eps=3/255\n")
    for flags in (["--eps=1/255", f"--flagfile={mine}"], [f"--flagfile={mine}", "--eps=1/255"]):
        options = tla.TRAIN.parse(flags)
        assert (options.flags["eps"], options.margin, options.batch_size) == ("1/255", 0.5, 50)
    assert tla.TRAIN.parse([]).dataset == "digits" and tla.TRAIN.parse([]).eps == 0.15
    assert tla.TRAIN.parse(["--dataset=mnist"]).eps == 0.3
    quick = tla.TRAIN.parse(["--flagfile=flags/tla/cifar10_quick.flags", "--lambda_norm=7"])
    assert (quick.model, quick.flags["eps"]) == ("strided_wrn_10_2", "8/255")
    assert quick.lambda_norm == 7.0


@pytest.mark.usefixtures("eager")
def test_replay(tmp_path, monkeypatch):
    """RUN/flags.txt is a flagfile: with another --workdir it gives the same losses and weights.

    A copied folder does not act on the original.
    """
    monkeypatch.chdir(tmp_path)
    recipe_flags = ["--flagfile=flags/tla/smoke.flags", "--train_steps=2", "--seed=3"]
    changed = ["--eval_attacks=clean", "--margin=0.3", "--norn_class_check", "--eps=0.4"]
    first, copy, second = (tmp_path / name for name in ("first", "copied run #1", "second"))
    assert tla_tf.train.main(["train", *recipe_flags, *changed, f"--workdir={first}"]) == 0
    shutil.copytree(first, copy)
    shutil.rmtree(first)
    assert tla_tf.train.main(["train", f"--flagfile={copy}/flags.txt", f"--workdir={second}"]) == 0
    hashes, losses, texts = [], [], []
    for run in (copy, second):
        hashes.append(read_results(run / "results.jsonl")[0].weights_hash)
        losses.append([line["loss"] for line in RunFolder(run).read_metrics()])
        texts.append((run / "flags.txt").read_text())
    assert hashes[0] == hashes[1]
    assert losses[0] == losses[1] and losses[0]
    assert texts[0] == texts[1] and "workdir" not in texts[0]
    assert "--rn_class_check=False" in texts[0]
    assert not first.exists()


def typed_changes(path):
    """Typed changes of the flags of a run's identity.

    Every change of all for one recipe per command, one for the others of those the recipe sets.
    """
    table, text = TABLES[path.parent.name], path.read_text()
    for flag in table.flags.values():
        if flag.identity is False or flag.kind == "path":
            continue
        if path.stem != "smoke" and f"\n--{flag.name}=" not in text:
            continue
        values = OTHER.get(flag.name) or flag.choices or OF_KIND.get(flag.kind, ())
        for value in values if path.stem == "smoke" else values[-1:]:
            yield f"--{flag.name}={value}"


OF_KIND = {
    "count": (8, 13),
    "number": (0, 0.37),
    "magnitude": ("3/255", "0.07"),
    "switch": ("true", "false"),
}
OTHER = {
    "model": ("mlp", "c2f2"),
    "destination": ("g2", "-0.1"),
    "learning_rates": ("0.3",),
    "boundaries": ("",),
    "held_out": (0, 90),
    "dataset": ("digits",),
    "init_weights": ("imagenet",),
}


@every_file
def test_every_typed_change_replays(path, tmp_path, monkeypatch):
    """flags.txt alone makes the same run again, whatever its recipe says and whoever typed."""
    monkeypatch.chdir(tmp_path)
    table, count = TABLES[path.parent.name], 0
    alone = [[], [f"--{'method=at' if table is tla.TRAIN else 'defense=act'}"]]
    for typed in [*alone, *([change] for change in typed_changes(path))]:
        try:
            options = options_of(path, *typed)
        except UserError:  # this recipe or method does not read the flag
            continue
        file = tmp_path / "flags.txt"
        file.write_text(options.flagfile())
        assert "workdir" not in options.flagfile() and "data_dir" not in options.flagfile()
        again = table.parse([f"--flagfile={file}"])
        assert again.flags == options.flags and again.values == options.values, typed
        assert not list(again.run_identity().differences(options.flags))
        count += 1
    assert count > (60 if path.stem == "smoke" else 3)


def test_a_step_size_that_was_dropped_replays(tmp_path):
    """The recipe's step does not reach the typed radius; on replay it must not come back."""
    options = tla.TRAIN.parse(["--dataset=cifar10", "--eps=25/255"])
    assert options.attack_step_size is None
    assert tla.TRAIN.parse(["--dataset=cifar10"]).attack_step_size
    assert "--attack_step_size=auto\n" in options.flagfile()
    (tmp_path / "flags.txt").write_text(options.flagfile())
    again = tla.TRAIN.parse([f"--flagfile={tmp_path}/flags.txt"])
    assert again.attack_step_size is None and again.eps == 25 / 255


def test_the_command_that_evaluate_prints_for_an_unfinished_run_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = tla.TRAIN.parse(["--flagfile=flags/tla/smoke.flags", "--eps=0.4", "--workdir=run"])
    RunFolder("run").claim(options.run_identity(), class_names=map(str, range(10)))
    with pytest.raises(UserError, match="finish it with") as error:
        FinishedRun("run")
    command = shlex.split(str(error.value).split("finish it with ")[1])
    assert command[:3] == ["python", "-m", "tla_tf.train"]
    RunFolder("run").check(tla.TRAIN.parse(command[3:]).run_identity())


def test_flags_of_a_run_from_before_a_flag_existed(tmp_path):
    options = tla.TRAIN.parse([])
    before = {name: value for name, value in options.flags.items() if name != "neg_keep"}
    assert not list(options.run_identity().differences(before))
    other = tla.TRAIN.parse(["--negative=masked", "--neg_keep=0.2"])
    named = [name for name, *_ in other.run_identity().differences(before)]
    assert named == ["neg_keep", "negative"]
