"""The recipes in flags/: complete, sourced, buildable, combined in the promised order."""

import pathlib
import re

import keras
import pytest
from absl import flags as absl_flags

import hm_tf.config
import hm_tf.flags
import hm_tf.training_run
from robust_tf import data
from robust_tf.cli import recipe
from robust_tf.errors import UserError
from robust_tf.results.result import read_results
from robust_tf.threat_model import ThreatModel, parse_magnitude
from tla_tf import config, train, training_run
from tla_tf.evaluation.attack_columns import attack_columns
from tla_tf.flags import define_train
from tla_tf.names import METHODS

STORE = pathlib.Path(__file__).parents[1] / "flags"
FILES = sorted(STORE.glob("*/*.flags"))
# subfolder of flags/ -> the flags its files may set, the run they are for
DEFINE = {"tla": define_train, "hm": hm_tf.flags.define_train}
RUNS = {
    "tla": training_run.ClassifierTrainingRun,
    "hm": hm_tf.training_run.MetricTrainingRun,
}
# What a run is about, as opposed to numbers that somebody chose.
NO_CHOICE = ("dataset", "model", "eval_attacks")
SOURCE = re.compile(r"#.*(\[paper\]|\[code\]|\[own\]|unused)")


def parse(family, arguments):
    values = absl_flags.FlagValues()
    DEFINE[family](values)
    assert values(["command", *arguments]) == ["command"]
    return values


def options_of(path):
    """The resolved flags of a run with this file, laid over the recipe of its data set."""
    family = path.parent.name
    names_dataset = "--dataset=" in path.read_text()
    asked = [f"--flagfile={path}"] if names_dataset else [f"--dataset={path.stem}"]
    return parse(family, recipe.combine(asked, lambda given: parse(family, given).dataset, family))


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
    assert {path.parent.name for path in FILES} == DEFINE.keys()
    assert {"digits", "mnist", "cifar10"} <= {path.stem for path in FILES}


@every_file
def test_every_flag_exists_and_every_number_has_its_source(path):
    text = path.read_text()
    header = text[: text.index("\n--")]
    assert all(line.startswith("#") for line in header.splitlines()), "says first what it is"
    known = set(parse(path.parent.name, []))
    for line in text[len(header) :].split("\n"):
        match = re.match(r"--(\w+)=\S+", line)
        assert match or not line or line.startswith("#"), f"no flag: {line}"
        if match and match[1] not in NO_CHOICE and "for tests" not in header:
            assert SOURCE.search(line), f"no source: {line}"
        assert not match or match[1] in known, f"no such flag: {line}"


@every_file
def test_every_required_flag_has_a_value(path):
    options = options_of(path)
    assert options.dataset in data.DATASETS
    required = RUNS[path.parent.name].required
    assert [name for name in required if getattr(options, name) is None] == []


@files([path for path in FILES if path.parent.name == "hm"])
def test_metric_defense_can_be_built(path):
    options = options_of(path)
    hm_tf.config.check(options)
    model = hm_tf.config.defense(options, tiny_network(), replicas=1)
    assert model.attack.steps == options.pgd_steps
    assert model.attack.step_size == pytest.approx(parse_magnitude(options.pgd_step_size))
    assert model.shards == options.batch_size // options.shard_size
    assert model.term_weights.get("ics", 0.0) == options.ics


@files([path for path in FILES if path.parent.name == "tla"])
def test_attack_optimizer_and_defenses_can_be_built(path):
    options = options_of(path)
    attack, optimizer = config.inner_attack(options), config.optimizer(options)
    assert attack.threat_model == ThreatModel(options.eps, options.norm)
    assert attack.steps == options.attack_steps
    default = 2.5 * attack.threat_model.eps / attack.steps
    assert attack.step_size == pytest.approx(parse_magnitude(options.attack_step_size or default))
    assert float(optimizer.learning_rate) == pytest.approx(float(options.learning_rates[0]))
    attack_columns(options.eval_attacks, attack.threat_model, options.dataset)
    # A file that sets the negatives is for the methods that leave them open.
    for options.method in [m for m in METHODS if not (options.negative and m == "tla_rn")]:
        model = config.defense(options, tiny_network())
        assert model.weight_decay == options.weight_decay
        if options.method.startswith("tla"):
            norm = options.lambda_norm
            if options.norm_form == "mean_sq":
                norm *= options.lambda_triplet
            weights = model.term_weights
            assert weights["triplet"] == options.lambda_triplet
            assert weights["embedding_norm"] == pytest.approx(norm)
            assert model.margin == options.margin


def test_learning_rates_change_after_their_boundaries():
    optimizer = config.optimizer(options_of(STORE / "tla/cifar10.flags"))
    rates = [0.1, 0.1, 0.01, 0.01, 0.001]
    for step, rate in zip((0, 50000, 50001, 60000, 60001), rates):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate)


@pytest.fixture
def resolved(monkeypatch, tmp_path):
    """Returns the function (*flags) -> what the real command hands to the run, without the run."""
    seen = []

    def record(options):
        seen.append(options)
        raise UserError("seen")

    monkeypatch.setattr(training_run, "ClassifierTrainingRun", record)
    monkeypatch.chdir(tmp_path)

    def resolve(*flags):
        assert train.main(["train", *flags]) == 2
        return seen.pop()

    return resolve


def test_precedence(resolved, tmp_path):
    mine = tmp_path / "mine.flags"
    mine.write_text("--dataset=cifar10\n--margin=0.5 # chosen\n--eps=3/255\n")
    for flags in (["--eps=1/255", f"--flagfile={mine}"], [f"--flagfile={mine}", "--eps=1/255"]):
        options = resolved(*flags)
        assert (options.eps, options.margin, options.batch_size) == ("1/255", 0.5, 50)
    assert resolved().dataset == "digits" and resolved().eps == "0.15"
    assert resolved("--dataset=mnist").eps == "0.3"
    quick = resolved("--flagfile=flags/tla/cifar10_quick.flags", "--lambda_norm=7")
    assert (quick.model, quick.eps, quick.lambda_norm) == ("wrn_10_1", "8/255", 7.0)


def test_replay(tmp_path, monkeypatch):
    """RUN/flags.txt is a flagfile: with another --workdir it gives the same weights."""
    monkeypatch.chdir(tmp_path)
    recipe_flags = ["--flagfile=flags/tla/smoke.flags", "--train_steps=2", "--seed=3"]
    first, second = tmp_path / "first run #1", tmp_path / "second"
    flags = [*recipe_flags, "--eval_attacks=clean", "--margin=0.3", "--norn_class_check"]
    assert train.main(["train", *flags, f"--workdir={first}"]) == 0
    assert train.main(["train", f"--flagfile={first}/flags.txt", f"--workdir={second}"]) == 0
    hashes = [read_results(run / "results.jsonl")[0].weights_hash for run in (first, second)]
    assert hashes[0] == hashes[1]
    lines = [(run / "flags.txt").read_text().splitlines() for run in (first, second)]
    differing = [one for one, other in zip(*lines, strict=True) if one != other]
    assert len(differing) == 1 and "--workdir" in differing[0]
    assert "--norn_class_check" in flags and "--rn_class_check=False" in lines[0]
