"""One call for any classifier; the number of each is the same."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.attacks import auto_attack, presets
from robust_tf.attacks.attack import Attack
from robust_tf.attacks.pgd import PGD
from robust_tf.errors import UserError
from robust_tf.evaluation.input_range import images_in_unit_range
from robust_tf.evaluation.robust_accuracy import robust_accuracy
from robust_tf.threat_model import ThreatModel

EAGER = pytest.mark.usefixtures("eager")

COUNT, SIDE, CLASSES, EPS = 60, 4, 3, 0.06
QUIET = {"progress": False, "eps": EPS}
ATTACKS = ["fgsm", "pgd5"]


def network(end=None, scale=1.0):
    image = keras.Input((SIDE, SIDE, 1), name="image")
    features = keras.layers.Rescaling(scale)(image)
    features = keras.layers.Flatten()(keras.layers.Rescaling(1, -0.5)(features))
    head = keras.layers.Dense(CLASSES, activation=end, name="head")
    model = keras.Model(image, head(features))
    kernel = 4 * np.random.default_rng(1).normal(size=[SIDE * SIDE, CLASSES])
    head.set_weights([kernel, np.zeros(CLASSES)])
    return model


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, [COUNT, SIDE, SIDE, 1], np.uint8)


@pytest.fixture(scope="module")
def labels(model, images):
    found = model(images / np.float32(255)).numpy().argmax(axis=1)
    found[:5] = (found[:5] + 1) % CLASSES
    return found


@pytest.fixture(scope="module")
def expected(model, images, labels):
    return robust_accuracy(model, images, labels, attack=ATTACKS, **QUIET)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.correct, expected.correct)
    np.testing.assert_array_equal(found.clean, expected.clean)
    for name, correct in expected.attacks.items():
        np.testing.assert_array_equal(found.attacks[name], correct)


def test_the_result(expected):
    assert expected.clean.sum() == COUNT - 5 and list(expected.attacks) == ATTACKS
    together = expected.clean & expected.attacks["fgsm"] & expected.attacks["pgd5"]
    np.testing.assert_array_equal(expected.correct, together)
    assert 0 < expected.accuracy == together.mean() < 0.9
    low, high = expected.interval
    assert low < expected.accuracy < high
    assert expected.accuracies["clean"] == (COUNT - 5) / COUNT
    assert expected.warnings == [] and expected.threat_model == ThreatModel(EPS)
    said = str(expected)
    assert said.startswith(f"robust accuracy {100 * expected.accuracy:.2f} % (95 % interval")
    assert f"n={COUNT}), linf eps=0.06" in said and "  pgd5: " in said


@pytest.mark.parametrize("enabled", [False, True])
def test_it_measures_in_float32_and_gives_the_setting_back(model, images, labels, enabled):
    seen = set()

    def network(x):
        seen.add(tf.config.experimental.tensor_float_32_execution_enabled())
        return model(x)

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(enabled)
    try:
        robust_accuracy(network, images, labels, attack="fgsm", **QUIET)
        with pytest.raises(ValueError, match="unknown attack"):
            robust_accuracy(network, images, labels, attack="nothing", **QUIET)
        assert tf.config.experimental.tensor_float_32_execution_enabled() == enabled
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
    assert seen == {False}


@EAGER
def test_any_network_and_any_images(model, images, labels, expected, tmp_path):
    one_hot = np.eye(CLASSES)[labels]
    unit = tf.constant(images / np.float32(255))
    model.export(tmp_path / "saved", verbose=False)
    model.export(tmp_path / "versions" / "2", verbose=False)
    twice = keras.Model(model.input, {"logits": model.output, "embedding": model.layers[-2].output})
    for network_of_any_kind, x, y in [
        (lambda x: model(x, training=False), unit, tf.constant(labels)),
        (twice, unit, one_hot),
        (tmp_path / "saved", images, labels[:, None]),
        (tmp_path / "versions", images, labels),
        (tf.saved_model.load(str(tmp_path / "saved")), images, labels),
        (of_seven(model, str(tmp_path / "seven")), images, labels),
    ]:
        found = robust_accuracy(network_of_any_kind, x, y, attack=ATTACKS, **QUIET)
        assert_same(found, expected)


def of_seven(model, path):
    """The model as a loaded SavedModel that takes seven images at a time."""
    seven, archive = keras.InputSpec("float32", [7, SIDE, SIDE, 1]), keras.export.ExportArchive()
    archive.track_and_add_endpoint("serve", model, [seven])
    archive.write_out(path, verbose=False)
    return tf.saved_model.load(path)


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
@EAGER
def test_an_activation_at_the_end_is_left_out_with_one_line(images, labels, expected, end):
    with pytest.warns(UserWarning, match="ends in probabilities"):
        found = robust_accuracy(network(end), images, labels, attack=ATTACKS, **QUIET)
    assert_same(found, expected)
    assert len(found.warnings) == 1


@EAGER
def test_steps_that_do_not_cross_the_radius_are_a_doubt(model, images, labels):
    short = PGD(eps=EPS, steps=5, step_size=0.01)
    with pytest.warns(UserWarning, match="^PGD: 5 steps of 0.01 cannot cross the radius 0.06; its"):
        found = robust_accuracy(model, images, labels, attack=short, **QUIET)
    assert len(found.warnings) == 1
    for enough in (PGD(eps=EPS, steps=6, step_size=0.01), PGD(eps=0, steps=2)):
        found = robust_accuracy(model, images, labels, attack=enough, progress=False)
        assert found.warnings == []


@EAGER
@pytest.mark.parametrize("shape", [(SIDE, SIDE), (SIDE * SIDE,)])
def test_images_without_channels_and_vectors(model, images, labels, expected, shape):
    """As in the call of an attack; the free checks took images of four axes only."""
    reshaped = lambda x: model(tf.reshape(x, [-1, SIDE, SIDE, 1]), training=False)
    found = robust_accuracy(reshaped, images.reshape(-1, *shape), labels, attack=ATTACKS, **QUIET)
    np.testing.assert_array_equal(found.clean, expected.clean)
    np.testing.assert_array_equal(found.correct, expected.correct)


@EAGER
def test_another_input_range(images, labels, expected):
    other = network(scale=1 / 255)
    for x in (images, np.float32(images)):
        found = robust_accuracy(other, x, labels, attack=ATTACKS, input_range=(0, 255), **QUIET)
        assert_same(found, expected)
    with pytest.raises(ValueError, match=r"in \[0, 1\]; these range from 0 to 255"):
        robust_accuracy(other, np.float32(images), labels, **QUIET)
    with pytest.warns(UserWarning, match="near chance"):
        robust_accuracy(other, images, labels, attack="fgsm", **QUIET)


def test_images_of_the_unit_interval_are_not_copied(images):
    x = images / np.float32(255)
    assert images_in_unit_range(x, (0.0, 1.0), None) is x
    found = images_in_unit_range(np.float64(x), (0.0, 1.0), None)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x)


def test_neither_the_batch_size_nor_the_company_matters(model, images, labels, expected):
    options = {"attack": ["pgd5", "fgsm"], "batch_size": 7, **QUIET}
    assert_same(robust_accuracy(model, images, labels, **options), expected)
    first = robust_accuracy(model, images[:20], labels[:20], **options)
    np.testing.assert_array_equal(first.correct, expected.correct[:20])


def test_attack_objects_and_the_ensemble(model, images, labels, expected, monkeypatch):
    preset = presets.get("pgd5", ThreatModel(EPS))
    found = robust_accuracy(model, images, labels, attack=preset, progress=False)
    np.testing.assert_array_equal(found.attacks["pgd5"], expected.attacks["pgd5"])
    several = [PGD(eps=EPS, steps=5), PGD(eps=EPS, steps=1, step_size=1e-6)]
    given = {"eps": np.float32(EPS), "progress": False}
    found = robust_accuracy(model, images, labels, attack=several, **given)
    assert list(found.attacks) == [str(attack) for attack in several]
    strong, weak = found.attacks.values()
    assert strong.sum() < weak.sum()
    np.testing.assert_array_equal(found.correct, strong & weak & found.clean)
    monkeypatch.setitem(auto_attack.VERSIONS, "standard", ("apgd-ce", "apgd-t"))
    found = robust_accuracy(model, images, labels, **QUIET)
    assert list(found.attacks) == ["apgd-ce", "apgd-t", "standard"]
    np.testing.assert_array_equal(found.correct, found.attacks["standard"])
    assert found.accuracy <= expected.accuracy


@EAGER
def test_a_cache_goes_on_and_knows_the_weights(images, labels, expected, tmp_path, model):
    options = {"attack": "pgd5", "cache": tmp_path, **QUIET}
    first = robust_accuracy(model, images, labels, **options)
    files = {path: path.read_text() for path in tmp_path.glob("evaluation/*.jsonl")}
    assert len(files) == 2
    again = network()  # whose layers Keras numbers on
    again.compile("sgd")
    for same in (model, again):
        assert_same(robust_accuracy(same, images, labels, **options), first)
    assert {path: path.read_text() for path in tmp_path.glob("evaluation/*.jsonl")} == files
    other = network()
    other.layers[-1].bias.assign([0.1, 0, 0])
    robust_accuracy(other, images, labels, **options)
    assert len(list(tmp_path.glob("evaluation/*.jsonl"))) == 4
    dark = robust_accuracy(network(scale=0.5), images, labels, **options)
    assert np.any(dark.clean != first.clean), "another network of the same weights"
    with pytest.raises(ValueError, match="cache= needs a keras.Model"):
        robust_accuracy(lambda x: model(x), images, labels, **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attack": "pdg5"}, "unknown attack 'pdg5'.*; allowed: standard, fast"),
        ({"eps": None}, "eps is missing"),
        ({"norm": "l1"}, "unknown norm"),
        ({"eps": 8}, "did you mean eps='8/255'"),
        ({"labels": 3}, "labels must lie in 0 ... 2"),
        ({"images": np.nan}, "finite and in"),
        ({"count": 0}, "there are no images"),
        ({"batch_size": -1}, "batch_size must be a whole number >= 1, got -1"),
        ({"attack": PGD}, r"attack=<class .*PGD'>: expected a name such as 'pgd20', or an attack"),
        ({"attack": None}, "attack=None: expected a name"),
        ({"attack": []}, "measures one threat model, got no attack"),
        ({"attack": [PGD(eps=0.1), "fgsm"]}, "got linf eps=0.06 and linf eps=0.1"),
        ({"attack": PGD(eps=0.1)}, "eps=0.06, but the attack has linf eps=0.1"),
        ({"attack": PGD(ThreatModel(2, "l2")), "eps": 3}, "eps=3, but the attack has l2 eps=2"),
        ({"attack": PGD(eps=EPS), "norm": "l2"}, "norm='l2', but the attack has linf eps=0.06"),
        (
            {"attack": PGD(eps=EPS, norm="l2"), "norm": "linf"},
            "norm='linf', but the attack has l2 eps=0.06",
        ),
        ({"one_hot": 4}, r"60 images of 3 classes need labels .*, got \[60, 4\]"),
        ({"batch_size": True}, "batch_size must be a whole number >= 1, got True"),
        ({"input_range": (0, "1")}, r"input_range is \(low, high\), low first; got \(0, '1'\)"),
        ({"input_range": (0, 255)}, r"range from .* to 1; float images fill .*\(0, 255\) too"),
        ({"input_range": (-1, 1)}, r"range from .* to 1; float images fill .*\(-1, 1\) too"),
        (
            {"attack": PGD(ThreatModel(0.1, lower=-1)), "eps": None},
            r"pixels lie in \[-1, 1\]; here .* \[0, 1\]",
        ),
    ],
)
def test_mistakes(model, images, labels, changes, message):
    changes = {**QUIET, "attack": "fgsm", **changes}
    x, y = np.float32(images / 255), labels + changes.pop("labels", 0)
    x[0] += changes.pop("images", 0)
    x = x[: changes.pop("count", len(x))]
    y = np.eye(changes.pop("one_hot"))[y] if "one_hot" in changes else y
    with pytest.raises(ValueError, match=message):
        robust_accuracy(model, x, y, **changes)


def test_a_file_is_no_saved_model(images, labels, tmp_path):
    network().save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"load_model\(FILE\).export"):
        robust_accuracy(tmp_path / "model.keras", images, labels, **QUIET)


@dataclasses.dataclass(frozen=True)
class Shifted(Attack):
    """Moves all pixels alike."""

    share: float = dataclasses.field(default=0.5, repr=False)

    def perturb(self, logits_fn, x, y, key, shard=None):
        return self.threat_model.project(x + self.share * self.threat_model.eps, x)


class Named:
    """A namespace, as another module is: its PGD is another class of that name."""

    class PGD(PGD):
        pass

    class clean(Shifted):
        pass


@dataclasses.dataclass(frozen=True)
class Moved(Attack):
    by: np.ndarray = None

    def perturb(self, logits_fn, x, y, key):
        return self.threat_model.project(x + self.by, x)


def test_two_attacks_of_large_arrays_do_not_share_a_line(model, images, labels):
    """NumPy shortens the text of both alike, and compares them entry by entry."""
    by = np.zeros([4000, *images.shape[1:]], np.float32)
    pair = [Moved(eps=EPS, by=by), Moved(eps=EPS, by=by + np.eye(4000, 1)[..., None, None])]
    assert str(pair[0]) == str(pair[1]) and str(pair[0]).endswith(f"by=ndarray{list(by.shape)})")
    with pytest.raises(ValueError, match="^two different attacks are called 'Moved.*'; give"):
        robust_accuracy(model, images, labels, attack=pair, progress=False)
    assert str(Moved(eps=EPS, by=by[:1, :1, :1, 0])).endswith(
        ", by=array([[[0.]]], dtype=float32))"
    )


def test_two_attacks_do_not_share_a_line(model, images, labels):
    settings = {"steps": 2, "random_start": False}
    pair = [PGD(eps=EPS, **settings), Named.PGD(eps=EPS, steps=1, random_start=False)]
    found = robust_accuracy(model, images, labels, attack=pair, progress=False)
    assert list(found.attacks) == [str(attack) for attack in pair]
    for same in (
        [Shifted(eps=EPS), Shifted(eps=EPS, share=-0.5)],  # a field that is not shown
        [Named.clean(eps=EPS)],
    ):
        with pytest.raises(ValueError, match="^two different attacks are called '.*'; give"):
            robust_accuracy(model, images, labels, attack=same, progress=False)


@dataclasses.dataclass(frozen=True)
class Foreign(Attack):
    """A function of another library, which forgets the shape of the images."""

    def perturb(self, logits_fn, x, y, key, shard=None):
        darker = lambda images: np.clip(images - np.float32(self.threat_model.eps), 0, 1)
        return tf.numpy_function(darker, [x], x.dtype)


def test_an_attack_of_another_library_may_forget_the_shape(model, images, labels):
    found = robust_accuracy(model, images, labels, attack=Foreign(eps=EPS), progress=False)
    darker = np.clip(images / np.float32(255) - np.float32(EPS), 0, 1)
    right = model(darker).numpy().argmax(axis=1) == labels
    np.testing.assert_array_equal(found.attacks["Foreign"], right)


@dataclasses.dataclass(frozen=True)
class Along(Attack):
    """Moves the images along a direction."""

    direction: object = 1.0

    def perturb(self, logits_fn, x, y, key, shard=None):
        return self.threat_model.project(x + self.threat_model.eps * self.direction, x)


def test_a_cache_knows_attacks_of_ones_own_apart(model, images, labels, tmp_path):
    options = {"cache": tmp_path, "progress": False}
    for direction in np.float32(1), np.float32(-1):
        attack = Along(eps=EPS, direction=direction)
        alone = robust_accuracy(model, images, labels, attack=attack, progress=False)
        found = robust_accuracy(model, images, labels, attack=attack, **options)
        np.testing.assert_array_equal(found.correct, alone.correct)
    for unknown in np.ones([SIDE, SIDE, 1], np.float32), lambda x: x, model:
        attack = Along(eps=EPS, direction=(unknown,))
        with pytest.raises(ValueError, match="^cache= does not know two Along apart by direction"):
            robust_accuracy(model, images, labels, attack=attack, **options)
    with pytest.raises(ValueError, match="^cache= does not know two Shifted apart by share"):
        robust_accuracy(model, images, labels, attack=Shifted(eps=EPS), **options)


@dataclasses.dataclass(frozen=True)
class Transfer(Attack):
    """The images that fool another network."""

    source: keras.Model | None = None

    def perturb(self, logits_fn, x, y, key, shard=None):
        return PGD(self.threat_model, 3, random_start=False).perturb(self.source, x, y)


def test_a_setting_may_be_a_model(model, images, labels):
    attack = Transfer(eps=EPS, source=network(scale=0.5))
    found = robust_accuracy(model, images, labels, attack=attack, progress=False)
    moved = attack(model, images / np.float32(255), labels)
    right = model(moved).numpy().argmax(axis=1) == labels
    np.testing.assert_array_equal(found.attacks["Transfer"], right)
