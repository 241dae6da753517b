"""What the flags of a training are said to do, and what its method is called."""

import types

import pytest

from hm_tf import config, flags


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
