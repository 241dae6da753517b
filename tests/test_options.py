"""Flags are data: one line each, and below the commands nobody knows them."""

import ast
import pathlib

import pytest
from absl import flags as absl_flags

from hm_tf import options as hm
from hm_tf.defenses.build import DEFENSES as HM_DEFENSES
from hm_tf.defenses.metric_losses import DISTANCES
from hm_tf.ranking_attacks.registry import PROFILES
from robust_tf.cli.flag_table import FlagTable
from robust_tf.data import DATASETS
from robust_tf.errors import UserError
from robust_tf.models.embedding_registry import BN_MODES
from robust_tf.training import recipe
from robust_tf.training.recipe import Recipe
from tla_tf import options as tla
from tla_tf.analysis.outputs import OUTPUTS
from tla_tf.defenses.build import DEFENSES as TLA_DEFENSES

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("robust_tf", "tla_tf", "hm_tf")
# Where the lines of the flags stand.
LINES = ("robust_tf/cli/shared_flags.py", "tla_tf/options.py", "hm_tf/options.py")
TABLES = {
    f"{module.__name__} {name}": value
    for module in (tla, hm)
    for name, value in vars(module).items()
    if isinstance(value, FlagTable)
}
KINDS = {"text", "path", "paths", "repeated_path", "choice", "switch", "count", "number"} | {
    *("magnitude", "names", "numbers", "counts")
}


def flag_lines(path):
    """(name, help) of every flag that a file writes down, in its order."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in KINDS:
            name, _, about = node.args[:3]
            yield name.value, ast.dump(about)


def test_no_flag_is_written_down_twice():
    """Two commands may have flags of one name and other meanings, but share a line where equal."""
    written = [line for path in LINES for line in flag_lines(ROOT / path)]
    twice = {name for name, about in written if written.count((name, about)) > 1}
    assert len(written) > 150 and not twice


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_flag_stands_once_in_the_table_of_its_command(table):
    names = [flag.name for group in table.groups.values() for flag in group]
    assert sorted(names) == sorted(table.flags)
    for flag in table.flags.values():
        # What decides who reads a flag is a flag with such values.
        for other, values in flag.only.items():
            assert set(values) <= set(table.flags[other].choices or values)
        if isinstance(flag.identity, str):
            assert flag.identity in table.flags


@pytest.mark.parametrize(
    "table, flags, said",
    [
        (hm.EVALUATE, "--attacks=standard --mode=compat", "--mode does nothing with --attacks="),
        (hm.EVALUATE, "--attacks=standard --substitute=RUN", "--substitute does nothing with"),
        (hm.EVALUATE, "--attacks=standard --eval_steps=4", "--eval_steps does nothing with"),
        (hm.EVALUATE, "--workdir=RUN --dataset=sop", "--dataset does nothing with --workdir"),
        (tla.EVALUATE, "--workdir=RUN --images=X.npz", "--images does nothing with --workdir"),
        (hm.ANALYZE, "--workdir=RUN --model=c2f2", "--model does nothing with --workdir"),
        (hm.ATTACK, "--workdir=RUN --endpoint=uint8", "--endpoint does nothing with --workdir"),
        (hm.SEARCH, "--workdir=RUN --output=x", "--output does nothing with --workdir"),
        (hm.SEARCH, "--workdir=RUN --embeddings=X.npz --top=3", "--top does nothing with --emb"),
        (hm.EXPORT, "--workdir=RUN --top=3", "--top does nothing with an export without --gallery"),
        (hm.EXPORT, "--format=onnx --gallery=DIR", "--gallery goes with --format=saved_model"),
        (tla.EXPORT, "--format=onnx --detector_fpr=0.1", "goes with --format=saved_model"),
        (hm.TRAIN, "--dataset=digits --pgd_step_size=8", "--pgd_step_size=8: .* mean 8/255"),
        (
            hm.EVALUATE,
            "--norm=linf --eval_step_size=8",
            "--eval_step_size=8: pixels .* did you mean 8/255",
        ),
        (
            hm.ATTACK,
            "--norm=linf --step_size=8",
            "--step_size=8: pixels are in .0, 1.; did you mean 8/255",
        ),
    ],
)
def test_a_flag_that_nothing_reads_and_a_step_of_whole_pixels_are_refused(table, flags, said):
    with pytest.raises(UserError, match=said):
        table.parse(flags.split())


def test_a_count_is_a_whole_number():
    with pytest.raises(absl_flags.Error, match="--train_steps=1e4: '1e4' is not a whole number"):
        tla.TRAIN.parse(["--train_steps=1e4"])


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_an_unset_variable_of_a_shell_is_no_folder_and_no_name(table):
    """--workdir=$RUN would train in the default folder."""
    for name, flag in table.flags.items():
        for value in ("", " ") if flag.kind in ("text", "path", "paths", "repeated_path") else ():
            with pytest.raises(absl_flags.IllegalFlagValueError, match=f"--{name}=.* no value"):
                table.read([f"--{name}={value}"])
    if "runs" in table.flags:
        with pytest.raises(absl_flags.IllegalFlagValueError, match="no value"):
            table.read(["--runs=one,,two"])


def test_choices_are_those_of_the_library():
    train, evaluate = tla.TRAIN.flags, hm.EVALUATE.flags
    assert set(train["method"].choices) == TLA_DEFENSES.keys()
    assert set(hm.TRAIN.flags["defense"].choices) == HM_DEFENSES.keys()
    assert hm.TRAIN.flags["distance"].choices == tuple(DISTANCES)
    assert set(hm.TRAIN.flags["bn"].choices) == set(BN_MODES)
    assert set(evaluate["profile"].choices) == {"run", *PROFILES}
    assert set(tla.ANALYZE.flags["outputs"].default) < OUTPUTS.keys()


def sources_below_the_commands():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            command = "command_line.command(" in path.read_text()
            if not command and path.name != "options.py" and "cli" not in path.parts:
                yield path, tree


def test_below_the_commands_no_function_takes_flags():
    taking = []
    for path, tree in sources_below_the_commands():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = {argument.arg.lower() for argument in arguments}
                if names & {"options", "flag_values", "absl_flags", "namespace"}:
                    taking.append(f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'lambda')}")
            names = [name.name for name in getattr(node, "names", ()) if hasattr(name, "asname")]
            if getattr(node, "module", None) == "absl" and "flags" in names:
                taking.append(f"{path.relative_to(ROOT)}: absl flags")
    assert not taking


def test_options_are_frozen():
    options = tla.TRAIN.parse([])
    with pytest.raises(AttributeError):
        options.eps = 1.0
    with pytest.raises(AttributeError, match="no flag --epz"):
        options.epz
    assert options.changed(eps="0.3").eps == 0.3 and options.eps == 0.15


def test_identity_and_comparison():
    free = tla.TRAIN.free(tla.TRAIN.parse([]).flags)
    assert {"workdir", "data_dir", "train_steps", "limit_test", "strategy", "logical_cpus"} | {
        *("checkpoint_every", "eval_attacks", "eval_batch_size")
    } <= free
    assert (
        not {"seed", "eps", "margin", "precision", "jit_compile", "deterministic", "init_from"}
        & free
    )
    # With images held out it decides which networks are looked at.
    held_out = tla.TRAIN.parse(["--held_out=100"])
    assert free - tla.TRAIN.free(held_out.flags) == {"checkpoint_every"}
    at = tla.TRAIN.compared(tla.TRAIN.parse(["--method=at"]).flags)
    assert {"train_steps", "eps", "limit_train"} <= at
    assert not {"seed", "jit_compile", "deterministic", "strategy", "margin", "alp_weight"} & at
    # Nobody attacks an undefended network in training.
    assert not {"eps", "norm"} & tla.TRAIN.compared({"method": "um", "eps": "0.3", "norm": "l2"})
    assert tla.TRAIN.compared({"method": "imported", "eps": "0.3"}) == {"method", "eps"}


def test_constructor_arguments_come_from_the_table():
    sa = tla.TRAIN.parse(["--method=tla_sa", "--neg_similarity=signed"])
    assert sa.arguments("negatives") == {
        "selection": "nearest",
        "similarity": "signed",
        "mask": "neg_inf",
        "class_check": True,
    }
    assert sa.arguments("defense")["anchor"] == "clean" and sa.flags["anchor"] is None
    assert "pairing_weight" not in sa.arguments("defense")
    hm_flags = hm.TRAIN.parse(["--dataset=digits", "--defense=none"])
    ball = {"eps": Recipe("hm", "digits").number("eps"), "norm": "linf"}
    assert hm_flags.arguments("attack") == ball and not hm_flags.arguments("manipulation")


@pytest.mark.parametrize(
    "family, table, step",
    [("tla", tla.TRAIN, "attack_step_size"), ("hm", hm.TRAIN, "pgd_step_size")],
)
def test_recipes_are_the_same_without_flags(family, table, step):
    """The library reads them by itself."""
    for dataset in (name for name in DATASETS if recipe.exists(family, name)):
        values, found = table.parse([f"--dataset={dataset}"]).values, Recipe(family, dataset)
        for name in ("eps", step, "margin", "weight_decay", "train_steps"):
            assert found.number(name) == values[name]
    with pytest.raises(ValueError, match="unknown recipe 'svhn_cropped'"):
        Recipe(family, "svhn_cropped")
    assert Recipe("hm", "cub200").text("source") == "softhard"
    assert Recipe("tla", "cifar10").number("eps", given=0.1) == 0.1
