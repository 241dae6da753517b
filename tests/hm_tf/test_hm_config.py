"""What the flags of a training are said to do, and what its method is called."""

import types

import pytest

from hm_tf import config, flags
from hm_tf.training_run import MetricTrainingRun
from robust_tf.cli import command_line


def options(*arguments):
    return types.SimpleNamespace(**flags.resolve_train(list(arguments)))


@pytest.mark.parametrize(
    "arguments, note",
    [
        (["--dataset=cub200", "--defense=est", "--ics=0"], "--bn=live"),
        (["--dataset=cub200", "--defense=est", "--ics=0", "--bn=live"], None),
        (["--dataset=cub200", "--defense=act", "--ics=0"], None),
        (["--dataset=mnist", "--defense=est", "--ics=0", "--bn=frozen"], None),
        (["--dataset=cub200", "--init_weights=none", "--bn=live"], "0.001"),
        (["--dataset=cub200", "--init_weights=none", "--bn=live", "--learning_rates=0.001"], None),
        (["--dataset=mnist", "--destination=softhard"], "the attack is skipped"),
        (["--dataset=mnist", "--destination=gb:softhard"], None),
        (["--dataset=mnist", "--defense=none", "--source=random", "--destination=random"], None),
    ],
)
def test_notes(arguments, note):
    notes = config.notes(options(*arguments))
    assert len(notes) == (note is not None) and all(note in line for line in notes)


@pytest.mark.parametrize(
    "arguments", [["--margin=0", "--destination=-0.1"], ["--margin=0", "--loss_bound=1"]], ids=str
)
def test_a_margin_of_0_where_nothing_divides_by_it(arguments):
    config.check(options("--dataset=digits", *arguments))


def test_the_title_imports_nothing():
    found = config.title(options("--destination=no.such.module.halved"))
    assert found == "HM[S,halved]&ICS"


@pytest.mark.parametrize(
    "arguments, name",
    [
        ([], "hm-softhard-lga-ics0.5"),
        (["--source=random", "--destination=semihard", "--ics=0"], "hm-random-semihard"),
        (["--destination=gb:semihard", "--ics=1"], "hm-softhard-gb-semihard-ics1"),
        (["--destination=-0.1", "--ics=0.05"], "hm-softhard--0.1-ics0.05"),
        (["--destination=my.module.halved"], "hm-softhard-my.module.halved-ics0.5"),
        (["--defense=est", "--source=random", "--ics=0"], "est-random"),
    ],
)
def test_every_variant_has_its_folder(arguments, name):
    assert config.folder_name(options("--dataset=digits", *arguments)) == name


def parsed(*typed):
    """Flags as the command line has them: what the recipe says is a default."""
    values = command_line._parse(["train", *typed], flags.define_train, "hm")
    config.drop_unread(values)
    return values


def test_what_a_recipe_sets_for_hm_alone_is_dropped_silently(tmp_path):
    file = tmp_path / "own.flags"
    file.write_text("--ics=0.3\n--ics_margin=0.1\n--loss_bound=1\n")
    act = parsed("--defense=act", f"--flagfile={file}")
    assert (act.ics, act.ics_margin, act.loss_bound) == (0, 0, None)
    config.check(act)
    hm = parsed(f"--flagfile={file}")
    assert (hm.ics, hm.ics_margin, hm.loss_bound) == (0.3, 0.1, 1)
    assert parsed("--defense=act", "--ics=0.5").ics == 0.5


def test_only_what_is_typed_is_refused_where_nothing_reads_it(tmp_path):
    file = tmp_path / "own.flags"
    lines = "--image_size=16", "--on_bad_image=skip", "--bn=frozen", "--eval_steps=1"
    file.write_text("\n".join((*lines, "--pgd_steps=1", "--pgd_step_size=0.1")))
    options = parsed("--defense=none", f"--flagfile={file}")
    config.check_typed(options)
    MetricTrainingRun(options)._check_typed_reading()


def test_typed_flags_that_are_read():
    options = parsed("--dataset=cub200", "--image_size=64", "--on_bad_image=skip", "--bn=frozen")
    config.check_typed(options)
    MetricTrainingRun(options)._check_typed_reading()
    config.check_typed(parsed("--pgd_steps=2", "--pgd_step_size=0.1", "--eval_steps=1"))
