"""AutoAttack's fast version: members on a sample until they fool one; the red lights."""

import re

import numpy as np
import pytest
import tensorflow as tf
from eagerly import eagerly

from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.fab import FAB
from robust_tf.attacks.malt import MALT
from robust_tf.attacks.square import Square
from robust_tf.data.examples import Examples
from robust_tf.evaluation import classifier_evaluation
from robust_tf.evaluation.attack_column import ensemble_columns
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.threat_model import ThreatModel

EAGER = pytest.mark.usefixtures("eager")

COUNT, PROBE = 40, 5
THREAT = ThreatModel(0.1)
SHORT = {
    "apgd-ce50": lambda threat: APGD(threat, "ce", steps=5),
    "malt": lambda threat: MALT(threat, steps=5, targets=2),
    "square": lambda threat: Square(threat, queries=60),
    "apgd-t": lambda threat: APGD(threat, "targeted-margin", steps=5, targets=2),
    "apgd-ce": lambda threat: APGD(threat, "ce", steps=5),
    "fab-t": lambda threat: FAB(threat, steps=5, targets=2),
}
# The members that all images meet see a hundredth of the ball.
WEAK = SHORT | {
    name: lambda threat, make=SHORT[name]: make(ThreatModel(threat.eps / 100))
    for name in ("apgd-ce50", "malt", "square")
}

MASKED = ["weak attack", "masked gradients"]


@pytest.fixture(scope="module", autouse=True)
def short_attacks():
    portions = {"apgd-t": (PROBE, PROBE), "square": (PROBE, 0)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auto_attack, "MEMBERS", SHORT)
        patch.setitem(auto_attack.PORTIONS, "fast", portions)
        yield


def honest(images):
    """Three linear classes; gradient attacks are exact."""
    draw = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    return 4.0 * tf.matmul(tf.reshape(images - 0.5, [-1, 16]), draw)


@tf.custom_gradient
def masked(images):
    """The same outputs with the gradient of a constant direction."""

    def gradient(upstream):
        return tf.ones_like(images) * tf.reduce_sum(tf.abs(upstream)) * 1e-3

    return honest(images), gradient


def made(outputs_fn, **options):
    """Returns an evaluation, and the list of lines that it will say."""
    images = np.random.default_rng(1).integers(0, 256, (COUNT, 4, 4, 1), np.uint8)
    labels = np.argmax(honest(tf.constant(images / 255, tf.float32)), axis=1).astype(np.int32)
    lines = []
    examples = Examples(images, labels)
    options = {"progress": False, "say": lines.append, **options}
    return ClassifierEvaluation(outputs_fn, examples, **options), lines


def evaluated(outputs_fn, version="fast", **options):
    evaluation, lines = made(outputs_fn, **options)
    evaluation.run(columns_of(version))
    return evaluation, lines


def columns_of(version):
    return ensemble_columns(version, lambda name: presets.get(name, THREAT))


def column_of(name, version="fast"):
    [column] = [column for column in columns_of(version) if column.name == name]
    return column


@pytest.fixture(scope="module")
def of_honest(tmp_path_factory):
    """The evaluation of the honest network, run once, and its lines."""
    with eagerly():
        return evaluated(honest, folder=tmp_path_factory.mktemp("honest"))


@pytest.fixture(scope="module")
def of_masked():
    with eagerly():
        return evaluated(masked)


def rows_of(evaluation, name="square"):
    """The images that a member attacked, and the margins that it left if they were kept."""
    cache = evaluation._stored.cache(column_of(name))
    rows = np.flatnonzero(cache.known(0, np.arange(COUNT)))
    return rows, cache.get(0, rows)["margin"]


def attacked(evaluation, name="square"):
    """How many images a member attacked."""
    return len(rows_of(evaluation, name)[0])


@EAGER
def test_square_attacks_only_a_sample_where_it_fools_nothing(of_honest):
    evaluation, lines = of_honest
    *_, before, targeted, square, whole = evaluation.outcomes
    assert 0 < before.correct.sum() < COUNT
    np.testing.assert_array_equal(targeted.correct, before.correct)
    np.testing.assert_array_equal(square.correct, before.correct)
    np.testing.assert_array_equal(whole.correct, before.correct)
    assert attacked(evaluation) == min(PROBE, before.correct.sum())
    assert attacked(evaluation, "apgd-t") == min(PROBE, before.correct.sum())
    assert not evaluation.checked.doubts and not any("red light" in line for line in lines)
    # The sample is not the whole of what is stored.
    _, lines = evaluated(honest, folder=evaluation.folder)
    share = 100 * square.correct.mean()
    assert f"square: stored ({share:.2f} %); --fresh measures again" in lines


def test_the_samples_are_the_smallest_margins_that_earlier_members_left(of_honest):
    evaluation, _ = of_honest
    left = np.full(COUNT, np.inf)
    for name in ("apgd-ce50", "malt"):
        rows, margins = rows_of(evaluation, name)
        left[rows] = np.minimum(left[rows], margins)
    still = np.flatnonzero(evaluation.outcomes[1].correct)
    nearest = still[np.argsort(left[still])][:PROBE]
    assert len(still) > PROBE and set(nearest) != set(still[:PROBE])
    assert set(rows_of(evaluation, "apgd-t")[0]) == set(nearest)


def test_square_attacks_all_and_the_light_is_red_where_it_fools_one(of_masked):
    evaluation, lines = of_masked
    *_, before, square, whole = evaluation.outcomes
    assert attacked(evaluation) == before.correct.sum() > PROBE
    assert whole.name == "fast" and whole.correct.sum() < before.correct.sum()
    # A new random start of targeted APGD finds a few where gradients tell nothing.
    assert [doubt.name for doubt in evaluation.checked.doubts] == MASKED
    assert "warning: red light: square fools" in lines[-1]
    np.testing.assert_array_equal(square.correct, whole.correct)


def test_the_light_is_red_where_more_steps_and_targets_fool_one(of_honest, monkeypatch):
    reference, _ = of_honest
    monkeypatch.setattr(auto_attack, "MEMBERS", WEAK)
    evaluation, lines = evaluated(honest)
    _, before, targeted, *_, whole = evaluation.outcomes
    # A portion follows as long as one loses an image.
    assert attacked(evaluation, "apgd-t") == before.correct.sum() > PROBE
    assert [doubt.name for doubt in evaluation.checked.doubts] == ["weak attack"]
    assert any("warning: red light: apgd-t fools" in line for line in lines)
    np.testing.assert_array_equal(whole.correct, reference.outcomes[-1].correct)


def test_the_light_stays_green_where_only_a_few_of_many_images_fall_late(monkeypatch):
    late = classifier_evaluation.WEAKNESS[True, True]._replace(allowed=0.1)
    monkeypatch.setitem(classifier_evaluation.WEAKNESS, (True, True), late)
    evaluation, _ = made(honest)
    for fallen, doubts in ((4, 0), (5, 1)):  # of 40
        evaluation._warn_of_weakness(
            column_of("apgd-t"), np.ones(COUNT, bool), np.arange(COUNT) >= fallen
        )
        assert len(evaluation.checked.doubts) == doubts


@pytest.mark.parametrize(
    "member, fallen, said",
    [
        ("apgd-t", 1, "apgd-t fools 1 of 40 .* counted, but 40 images are too few .* run standard"),
        ("apgd-t", 2, "apgd-t fools 2 of 40 .*: fast is too weak here; standard may find more"),
        ("square", 1, "square fools 1 of 40 .*: they are masked; standard may find more"),
    ],
)
def test_one_of_few_images_is_red_and_says_what_it_does_not_tell(member, fallen, said):
    evaluation, lines = made(honest)
    evaluation._warn_of_weakness(
        column_of(member), np.ones(COUNT, bool), np.arange(COUNT) >= fallen
    )
    assert len(evaluation.checked.doubts) == 1
    assert re.search(f"^warning: red light: {said}$", lines[-1])


@EAGER
def test_the_light_of_standard_is_red_where_square_fools_what_gradients_do_not():
    evaluation, lines = evaluated(masked, version="standard")
    *_, gradients, square, _ = evaluation.outcomes
    fallen = gradients.correct.sum() - square.correct.sum()
    assert fallen > 1
    assert [doubt.name for doubt in evaluation.checked.doubts] == ["masked gradients"]
    left = gradients.correct.sum()
    assert lines[-1] == (
        f"warning: red light: square fools {fallen} of {left} images that gradients do not: they "
        "are masked; an attack through the masking (BPDA) may find more"
    )
    evaluation, lines = evaluated(honest, version="standard")
    assert not evaluation.checked.doubts and not any("red light" in line for line in lines)


def test_a_single_image_that_falls_to_square_alone_is_no_sign_of_masking():
    evaluation, _ = made(honest)
    square = column_of("square", "standard")
    for fallen in (1, 2):
        evaluation._warn_of_weakness(square, np.ones(COUNT, bool), np.arange(COUNT) >= fallen)
        assert len(evaluation.checked.doubts) == fallen - 1


def test_portions_begin_with_the_smallest_margins():
    active = np.array([True, True, False, True, True, True])
    margins = np.array([5.0, 1.0, 0.0, 4.0, 2.0, 3.0])

    def rows(sizes, lost=1):
        found, correct = [], active.copy()
        for portion in auto_attack.portions(correct, margins, sizes):
            found.append(portion.tolist())
            correct[portion[:lost]] = False
        return found

    assert rows((2, 2)) == [[1, 4], [3, 5], [0]]
    assert rows((2, 0)) == [[1, 4], [0, 3, 5]]
    assert rows((5, 0)) == rows(None) == [[0, 1, 3, 4, 5]]
    assert rows((2, 2), lost=0) == [[1, 4]]
    assert list(auto_attack.portions(np.zeros(3, bool), margins[:3], (2, 0))) == []


@EAGER
def test_kept_images_are_of_all_images(tmp_path):
    evaluation, _ = evaluated(honest, folder=tmp_path, save_adversarial=True)
    with np.load(tmp_path / "adversarial" / "fast-square.npz") as stored:
        np.testing.assert_array_equal(stored["attacked"], evaluation.outcomes[1].correct)
    assert not evaluation.checked.doubts


@EAGER
def test_the_light_is_red_where_images_are_kept_too(tmp_path):
    evaluation, lines = evaluated(masked, folder=tmp_path, save_adversarial=True)
    # A new random start of targeted APGD finds a few where gradients tell nothing.
    assert [doubt.name for doubt in evaluation.checked.doubts] == MASKED
    assert "warning: red light: square fools" in lines[-1]


@pytest.mark.parametrize(
    "outputs_fn, evaluation, portions", [(honest, "of_honest", 1), (masked, "of_masked", 2)]
)
@EAGER
def test_the_public_call_probes_too_and_attacks_no_image_twice(
    outputs_fn, evaluation, portions, monkeypatch, request
):
    evaluation, _ = request.getfixturevalue(evaluation)
    attack_rows, by_square = auto_attack.attack_rows, []

    def counted(attack, known, images, labels, rows, *rest):
        assert len(rows), "nothing is attacked"
        if isinstance(attack, Square):
            by_square.append(list(rows))
        attack_rows(attack, known, images, labels, rows, *rest)

    monkeypatch.setattr(auto_attack, "attack_rows", counted)
    images = np.float32(evaluation.examples.images) / 255
    attack = auto_attack.AutoAttack(THREAT, version="fast")
    found = attack(outputs_fn, images, evaluation.examples.labels)
    right = np.argmax(honest(tf.constant(found)), axis=1) == evaluation.examples.labels
    np.testing.assert_array_equal(right, evaluation.outcomes[-1].correct)
    assert len(by_square) == portions and len(by_square[0]) == PROBE
    if portions == 1:  # the same sample, of the smallest margins
        np.testing.assert_array_equal(by_square[0], rows_of(evaluation)[0])
    assert len(sum(by_square, [])) == len(set(sum(by_square, []))) == attacked(evaluation)
