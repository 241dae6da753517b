import re

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.pgd import LOSSES
from robust_tf.attacks.square import Square
from robust_tf.threat_model import ThreatModel

KEY = randomness.key(0, 0, "test")
THREATS = {"linf": ThreatModel(0.1), "l2": ThreatModel(0.5, "l2")}
NAMES = ["fgsm", "bim5", "pgd5", "3pgd5", "cw5", "2cw5", "mim5"]
EVERY = pytest.mark.parametrize("name", NAMES)
BOTH_NORMS = pytest.mark.parametrize("norm", THREATS)


@pytest.fixture
def network(classifier):
    return classifier()


def attacked(name, norm, network, key=KEY):
    logits_fn, x, labels = network
    return presets.get(name, THREATS[norm]).perturb(logits_fn, x, labels, key)


@EVERY
@BOTH_NORMS
def test_images_stay_in_ball_and_box_and_the_objective_rises(name, norm, network):
    logits_fn, x, labels = network
    x_adv = attacked(name, norm, network)
    assert np.all(THREATS[norm].contains(x_adv, x))
    objective = LOSSES[presets.get(name, THREATS[norm]).attack.loss](logits_fn, labels)
    assert np.mean(objective(x_adv)) > np.mean(objective(x)) + 0.1


@EVERY
@BOTH_NORMS
def test_result_depends_on_the_key_and_on_nothing_else(name, norm, network):
    x_adv = attacked(name, norm, network)
    np.testing.assert_array_equal(x_adv, attacked(name, norm, network))
    other = attacked(name, norm, network, key=randomness.key(1, 0, "test"))
    has_random_start = "pgd" in name or "cw" in name
    assert np.any(other != x_adv) == has_random_start


@EVERY
def test_result_carries_no_gradient(name, network):
    x = network[1]
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(attacked(name, "linf", network))
    assert tape.gradient(total, x) is None


@BOTH_NORMS
def test_fgsm_is_bim_and_mim_of_one_step(norm, network):
    fgsm = attacked("fgsm", norm, network)
    assert np.max(np.abs(fgsm - network[1])) > 0.05
    for name in ("bim1", "mim1"):
        np.testing.assert_allclose(attacked(name, norm, network), fgsm, atol=1e-6)


@BOTH_NORMS
def test_restarts_are_at_least_as_strong_as_one_run(norm, network):
    logits_fn, _, labels = network
    objective = CrossEntropy(logits_fn, labels)
    once = objective.active(attacked("pgd5", norm, network))
    thrice = objective.active(attacked("3pgd5", norm, network))
    assert np.all(np.asarray(thrice) <= np.asarray(once))


@pytest.mark.parametrize(
    "eps, name, step_size",
    [
        ("8/255", "fgsm", 8 / 255),
        ("8/255", "bim7", 2 / 255),
        ("8/255", "bim10", 2 / 255),
        ("8/255", "20pgd20", 1 / 255),
        ("0.03", "pgd100", 0.001),
        ("8/255", "cw30", 1 / 255),
        ("8/255", "mim40", 1 / 255),
        ("8/255", "pgd50", 2.5 * 8 / 255 / 50),
        ("0.3", "pgd40", 0.01),
        ("0.3", "20pgd100", 0.01),
        ("0.3", "mim200", 0.01),
        ("25/255", "pgd20", 2.5 * 25 / 255 / 20),
    ],
)
def test_step_sizes(eps, name, step_size):
    attack = presets.get(name, ThreatModel(eps)).attack
    assert attack.step_size == pytest.approx(step_size, rel=1e-12)


def test_published_step_sizes_are_for_linf_only():
    attack = presets.get("pgd7", ThreatModel("8/255", "l2")).attack
    assert attack.step_size == pytest.approx(2.5 * 8 / 255 / 7)


def test_what_a_name_means():
    preset = presets.get("20cw30", ThreatModel("8/255"))
    attack = preset.attack
    assert preset.name == "20cw30" and attack.loss == "margin"
    assert (attack.restarts, attack.steps, attack.random_start) == (20, 30, True)
    bim = presets.get("bim7", ThreatModel("8/255"))
    assert bim.attack.loss == "ce"
    assert (bim.attack.restarts, bim.attack.steps, bim.attack.random_start) == (1, 7, False)
    momentum = presets.get("mim40", ThreatModel("8/255")).attack.momentum
    assert (momentum.decay, momentum.form) == (1.0, "accumulate")


@pytest.mark.parametrize(
    "name",
    ["clean", "pgd", "pgd0", "0pgd20", "fgsm1", "20fgsm", "3bim7", "3mim7", "PGD20", "pgd20x", ""]
    + [
        "apgd",
        "apgd-ce100",
        "cleverhans-fgm1",
        "cleverhans-bim",
        "cleverhans-spsa5",
        "cleverhans",
        "standard",
        "table1",
    ],
)
def test_other_names_are_refused_with_what_is_allowed(name):
    with pytest.raises(ValueError, match="unknown attack '.*'.*; allowed: fgsm, bimN") as error:
        presets.get(name, THREATS["linf"])
    allowed = str(error.value).partition("allowed: ")[2]
    for example in re.findall(r"[a-z0-9-]+N?", re.sub(r"\(.*?\)|such as|R(?=pgd|cw)", "", allowed)):
        presets.get(example.replace("N", "3"), THREATS["linf"])  # the message allows no other


def test_a_version_of_autoattack_is_no_single_attack():
    with pytest.raises(ValueError, match="AutoAttack has version='standard'; allowed: fgsm"):
        presets.get("standard", THREATS["linf"])


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("pdg20", "pgd20"),
        ("20pdg40", "20pgd40"),
        ("PGD20", "pgd20"),
        ("apgd_ce", "apgd-ce"),
        ("cleverhans-pdg7", "cleverhans-pgd7"),
        ("standrad", "standard"),
    ],
)
def test_the_name_that_was_meant_is_suggested(typed, meant):
    assert presets.suggested(typed, ["standard"]) == f"{typed!r} (did you mean {meant!r}?)"


def test_members_of_auto_attack_have_the_published_settings():
    published = {*auto_attack.VERSIONS["standard"], *auto_attack.VERSIONS["plus"]}
    attacks = {name: presets.get(name, THREATS["l2"]).attack for name in published}
    losses = {name: a.loss for name, a in attacks.items() if isinstance(a, APGD)}
    single = {"apgd-ce": "ce", "apgd-t": "targeted-dlr"}
    assert losses == {**single, "5apgd-ce": "ce", "5apgd-dlr": "dlr"}
    assert {(attacks[name].steps, attacks[name].rho) for name in losses} == {(100, 0.75)}
    assert attacks["apgd-t"].targets == 9
    fab, square = attacks["fab-t"], attacks["square"]
    assert isinstance(fab, FAB) and isinstance(square, Square)
    assert (fab.steps, fab.targets, fab.alpha_max, fab.eta, fab.beta) == (100, 9, 0.1, 1.05, 0.9)
    assert (square.queries, square.p, square.rescaled) == (5000, 0.8, False)


@pytest.mark.parametrize("name", ["3pgd2", "mim2", "apgd-ce", "cleverhans-fgm", "cleverhans-pgd2"])
def test_a_preset_is_run_without_knowing_its_kind(name, network):
    logits_fn, x, labels = network
    preset = presets.get(name, THREATS["linf"])
    assert preset.restarts == (3 if name == "3pgd2" else 1)
    x_adv = preset.single_run().perturb(logits_fn, x, labels, KEY)
    assert np.all(THREATS["linf"].contains(x_adv, x))
    assert np.max(np.abs(x_adv - x)) > 0.05


def test_cleverhans_takes_the_step_size_of_ours():
    sizes = [("cleverhans-bim7", 2 / 255), ("cleverhans-mim40", 1 / 255)]
    sizes += [("cleverhans-pgd50", 2.5 * 8 / 255 / 50), ("cleverhans-fgm", 8 / 255)]
    for name, size in sizes:
        attack = presets.get(name, ThreatModel("8/255")).attack
        assert attack.step_size == pytest.approx(size)


@pytest.mark.parametrize(
    ("typed", "meant"), [("pgd0", "pgdN"), ("0pgd7", "pgd7"), ("pgd020", "pgd20")]
)
def test_a_name_with_zeros_is_not_suggested_itself(typed, meant):
    assert presets.suggested(typed) == f"{typed!r} (did you mean {meant!r}?)"
