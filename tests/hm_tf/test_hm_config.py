"""What the flags of a training are said to do, and what its method is called."""

import pytest

from hm_tf import options
from hm_tf.defenses.build import DefenseSettings, pgd_from_image
from hm_tf.options import EVALUATE, TRAIN
from hm_tf.ranking_attacks.registry import Profile
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel


def parsed(*arguments):
    return TRAIN.parse(list(arguments))


def defense(*arguments):
    found = parsed(*arguments)
    return DefenseSettings.read(found.defense, found.arguments)


@pytest.mark.parametrize(
    "arguments, note",
    [
        (["--dataset=cub200", "--defense=est", "--ics=0"], "--bn=live"),
        (["--dataset=cub200", "--defense=est", "--ics=0", "--bn=live"], None),
        (["--dataset=cub200", "--defense=act", "--ics=0"], None),
        (["--dataset=cub200", "--init_weights=none", "--bn=live"], "0.001"),
        (["--dataset=cub200", "--init_weights=none", "--bn=live", "--learning_rates=0.001"], None),
        (["--dataset=mnist", "--destination=softhard"], "the attack is skipped"),
        (["--dataset=mnist", "--destination=gb:softhard"], None),
        (["--dataset=mnist", "--eps_warmup_steps=1000000"], "the training ends before, at "),
        (["--dataset=mnist", "--defense=none", "--source=random"], None),
        (["--dataset=cub200", "--pgd_steps=2"], "--pgd_steps=2 of 1/255 do not reach --eps=8/255"),
        (["--dataset=cub200", "--pgd_steps=8"], None),
        (["--dataset=cub200", "--pgd_steps=1", "--eps=16/255"], None),  # one step is eps long
    ],
)
def test_notes(arguments, note):
    notes = options.notes(parsed(*arguments))
    assert len(notes) == (note is not None) and all(note in line for line in notes)


@pytest.mark.parametrize(
    "arguments", [["--margin=0", "--destination=-0.1"], ["--margin=0", "--loss_bound=1"]], ids=str
)
def test_a_margin_of_0_where_nothing_divides_by_it(arguments):
    defense("--dataset=digits", *arguments).check()


def test_the_title_imports_nothing():
    assert defense("--destination=no.such.module.halved").title == "HM[S,halved]&ICS"


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
def test_every_variant_has_its_folder(arguments, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a folder that another run has gets a hash
    found = options.workdir_of(parsed("--dataset=digits", *arguments))
    assert found == f"runs/hm_tf/digits/{name}/seed0"


def test_an_l2_ball_has_steps_that_reach_it():
    l2 = parsed("--norm=l2", "--eps=2", "--dataset=digit_pairs")
    assert (l2.pgd_step_size, l2.eval_step_size) == (2.5 * 2 / 4, 2.5 * 2 / 32)
    typed = parsed("--norm=l2", "--eps=2", "--pgd_step_size=0.1", "--eval_step_size=0.2")
    assert (typed.pgd_step_size, typed.eval_step_size) == (0.1, 0.2)
    recipe, linf = parsed("--dataset=digit_pairs"), parsed("--eps=0.5")
    assert linf.pgd_step_size == recipe.pgd_step_size
    assert any("do not reach --eps=0.5" in line for line in options.notes(linf))
    with pytest.raises(UserError, match="did you mean 2/255"):
        parsed("--eps=2")


def test_settings_that_the_paper_does_not_have_stand_in_the_title():
    found = defense("--norm=l2", "--eps=2", "--ics_triplet=p,p~,a")
    assert found.title == "HM[S,gLGA]&ICS ics_triplet=p,p~,a norm=l2"
    assert found.threat_model == ThreatModel(2.0, "l2")


def test_free_training_has_as_many_steps_as_updates_of_a_batch():
    free = parsed("--free=8", "--dataset=mnist")
    assert (free.pgd_steps, free.pgd_step_size) == (8, pytest.approx(2.5 * 77 / 255 / 8, rel=1e-5))
    assert parsed("--free=8", "--pgd_step_size=0.1").pgd_step_size == 0.1
    assert defense("--free=8").title == "HM[S,gLGA]&ICS free=8"
    assert (defense("--free=8").replays, defense().replays) == (8, 1)


def test_the_norm_of_an_evaluation():
    own = Profile("1.5", "0.2", 10, "l2")
    assert own.attack() == PGD(ThreatModel(1.5, "l2"), 10, 0.2, random_start=False)
    other = own.attack(eps="8/255", norm="linf")
    assert other == PGD(ThreatModel("8/255"), 10, random_start=False)
    assert own.attack(eps="2").threat_model == ThreatModel(2.0, "l2")
    assert own.attack(step_size="1.2").step_size == 1.2
    assert EVALUATE.parse(["--workdir=RUN", "--eval_step_size=1.2"]).eval_step_size == 1.2
    for given, said in (
        ({}, "--norm=linf needs --eps"),
        ({"eps": "2"}, "--eps=2: pixels are in .0, 1.; did you mean 2/255"),
    ):
        with pytest.raises(UserError, match=said):
            own.attack(norm="linf", **given)


def test_what_a_recipe_sets_for_hm_alone_is_dropped_silently(tmp_path):
    file = tmp_path / "own.flags"
    file.write_text("--ics=0.3\n--ics_margin=0.1\n--loss_bound=1\n")
    act = parsed("--defense=act", f"--flagfile={file}")
    assert (act.ics, act.ics_margin, act.loss_bound) == (0, 0, None)
    hm = parsed(f"--flagfile={file}")
    assert (hm.ics, hm.ics_margin, hm.loss_bound) == (0.3, 0.1, 1)


def test_only_what_is_typed_is_refused_where_nothing_reads_it(tmp_path):
    file = tmp_path / "own.flags"
    lines = "--image_size=16", "--on_bad_image=skip", "--bn=frozen", "--eval_steps=1"
    file.write_text("\n".join((*lines, "--pgd_steps=1", "--pgd_step_size=0.1")))
    parsed("--defense=none", f"--flagfile={file}")


def test_typed_flags_that_are_read():
    parsed("--dataset=cub200", "--image_size=64", "--on_bad_image=skip", "--bn=frozen")
    parsed("--pgd_steps=2", "--pgd_step_size=0.1", "--eval_steps=1")


@pytest.mark.parametrize(
    "typed",
    [
        ("--defense=act", "--destination=lga"),
        ("--defense=act", "--ics=0.5"),
        ("--defense=none", "--pgd_steps=3"),
        ("--image_size=16",),
        ("--ics=0", "--ics_margin=0.1"),
        ("--held_out=7",),
        ("--bn=frozen",),
        ("--pgd_steps=1", "--pgd_step_size=0.1"),
        ("--dataset=cub200", "--init_weights=none"),
        ("--eps=8",),
    ],
    ids=" ".join,
)
def test_what_is_refused(typed):
    with pytest.raises(UserError):
        parsed(*typed)


def test_attacks_start_at_the_image_and_a_single_step_goes_all_the_way():
    attack = defense("--dataset=cub200").inner_attack
    assert not attack.random_start and attack.steps == 8
    assert attack.step_size == pytest.approx(1 / 255)
    assert pgd_from_image("8/255", 1, "1/255").step_size == pytest.approx(8 / 255)
