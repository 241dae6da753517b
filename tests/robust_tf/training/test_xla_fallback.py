"""What XLA refuses goes on without it; what it compiled is kept. It refuses Python functions."""

import itertools
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from forked import begun
from tensorflow.python.eager import context
from tensorflow.python.framework import ops

from robust_tf.attacks import program_names
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.training import batch
from robust_tf.training.adversarial_model import AdversarialModel

IMAGES = np.random.default_rng(0).random([8, 2, 2, 1], np.float32)
LABELS = np.zeros(8, np.int64)


def refused(x):
    return tf.ensure_shape(tf.numpy_function(lambda values: values, [x], x.dtype), x.shape)


class Squares(AdversarialModel):
    """Squared outputs, trained and tested by way of a Python function or not."""

    def __init__(self, by=tf.identity, tested_by=tf.identity):
        image = keras.Input([2, 2, 1])
        logits = keras.layers.Dense(2, kernel_initializer="ones")(keras.layers.Flatten()(image))
        network = keras.Model(image, {"logits": logits})
        super().__init__(network, term_weights={"square": 1.0}, tested=["sum"])
        self.by, self.tested_by = by, tested_by

    def craft(self, batch):
        return {"image": self.by(batch["image"])}

    def loss_terms(self, batch, crafted):
        return {"square": tf.reduce_sum(self.network(crafted["image"])["logits"] ** 2, axis=1)}, {}

    def test_values(self, batch):
        return {"sum": tf.reduce_sum(self.tested_by(batch["image"]), [1, 2, 3])}


def fitted(model, *, jit_compile, **more):
    model.compile(keras.optimizers.SGD(0.01), jit_compile=jit_compile)
    return model.fit(
        IMAGES, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0, **more
    ).history


@pytest.fixture(scope="module", autouse=True)
def undecided():
    """Whatever other tests have switched on: Keras allows XLA."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.src.trainers.trainer, "model_supports_jit", lambda model: True)
        yield


@pytest.fixture(scope="module")
def by_xla():
    """A model that XLA compiles once for all tests."""
    model = Squares()
    model.compile(keras.optimizers.SGD(0.01), jit_compile=True)
    return model


def test_the_train_step_falls_back_and_loses_no_batch():
    model, plain = Squares(refused), Squares()
    line = "the train step goes on without XLA, which refuses: Detected unsupported operations"
    with pytest.warns(UserWarning, match=line) as said:
        history = fitted(model, jit_compile=True)
    assert len(said) == 1 and not model.jit_compile
    assert history == fitted(plain, jit_compile=False)
    assert int(model.optimizer.iterations) == 4


@pytest.mark.parametrize("steps", [None, 4])
def test_a_generator_begins_with_its_first_batch_where_a_step_falls_back(steps):
    """Although Keras has drawn ahead."""
    images = np.random.default_rng(1).random([6, 4, 2, 2, 1], np.float32)

    def batches():
        for part in itertools.cycle(images) if steps else images:
            yield part, LABELS[:4]

    rows = images[:steps].reshape(-1, 2, 2, 1)
    model, plain = Squares(refused, tested_by=refused), Squares()
    plain.compile(keras.optimizers.SGD(0.01), jit_compile=False)
    expected = plain.fit(rows, np.zeros(len(rows)), batch_size=4, shuffle=False, verbose=0).history
    model.compile(keras.optimizers.SGD(0.01), jit_compile=True)
    with pytest.warns(UserWarning, match="the train step goes on without XLA"):
        assert model.fit(batches(), steps_per_epoch=steps, verbose=0).history == expected
    model.compile("sgd", jit_compile=True)
    with pytest.warns(UserWarning, match="the test step goes on without XLA"):
        found = model.evaluate(batches(), steps=steps, verbose=0, return_dict=True)
    assert found["sum"] == pytest.approx(rows.sum() / len(rows))


def test_batches_are_kept_for_a_second_drawing_until_a_step_has_run():
    made, ran = [], []

    def batches():
        for number in range(5):
            made.append(weakref.ref(array := np.array(number)))
            yield array

    first, second = batch.drawn_twice(batches(), lambda: bool(ran))
    assert [int(next(first)) for _ in range(2)] == [0, 1]
    assert [int(array) for array in second] == [0, 1, 2, 3, 4]
    assert next(first, None) is None  # a thread of the first takes no batch away
    made.clear()
    first, second = batch.drawn_twice(batches(), lambda: bool(ran))
    assert int(next(first)) == 0 and made[0]() is not None
    ran.append(True)
    assert int(next(first)) == 1 and made[0]() is None
    assert int(next(first)) == 2 and made[1]() is None


def test_the_test_step_falls_back():
    """By itself, and as the validation of a training that XLA compiles."""
    model = Squares(tested_by=refused)
    model.compile("sgd", jit_compile=True)
    with pytest.warns(UserWarning, match="the test step goes on without XLA") as said:
        found = model.evaluate(IMAGES, LABELS, batch_size=4, verbose=0, return_dict=True)
    assert len(said) == 1 and found["sum"] == pytest.approx(IMAGES.sum() / 8)
    with pytest.warns(UserWarning, match="the test step goes on without XLA"):
        history = fitted(
            Squares(tested_by=refused), jit_compile=True, validation_data=(IMAGES, LABELS)
        )
    assert history["val_sum"] == pytest.approx(2 * [IMAGES.sum() / 8])


@pytest.mark.parametrize("steps", [None, 4])
def test_the_validation_of_a_generator_falls_back_and_loses_no_batch(steps):
    images = np.random.default_rng(1).random([6, 4, 2, 2, 1], np.float32)
    with pytest.warns(UserWarning, match="the test step goes on without XLA"):
        history = fitted(
            Squares(tested_by=refused),
            jit_compile=True,
            validation_data=((part, LABELS[:4]) for part in images),
            validation_steps=steps,
            validation_freq=2,
        )
    assert history["val_sum"] == pytest.approx([images[:steps].sum() / images[:steps].shape[0] / 4])


def arrays(images, labels):
    return images, labels


def entries(images, labels):
    return {"image": images, "label": labels}


def dataset(images, labels):
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)


def dataset_of_dicts(images, labels):
    steps = np.zeros(len(images), np.int64)
    return dataset(images, labels).map(lambda x, y: {"image": x, "label": y, "step": steps[:4]})


def generator(images, labels):
    return ((images[i : i + 4], labels[i : i + 4]) for i in (0, 4))


class Batches(keras.utils.PyDataset):
    """Batches of four images, from two threads."""

    def __init__(self, images, labels):
        super().__init__(workers=2)
        self.images, self.labels = images, labels

    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return self.images[part], self.labels[part]


@pytest.mark.parametrize("form", [arrays, entries, dataset, dataset_of_dicts, generator, Batches])
def test_every_kind_of_input_is_checked_under_xla(by_xla, form):
    """In training, in an evaluation, and in validation, by name or by position."""
    model, low, wrong = by_xla, IMAGES.copy(), LABELS.copy()
    steps = int(model.optimizer.iterations)
    with pytest.raises(UserError, match="in .0, 1.; this batch ranges"):
        trained(model, form(IMAGES - 0.5, LABELS))
    assert int(model.optimizer.iterations) == steps
    low[-1], wrong[-1] = -0.5, 2
    for images, labels, said in (
        (low, LABELS, "images must be finite and in .0, 1.; this batch ranges from -0.5"),
        (IMAGES, wrong, "labels must be 0 to 1; this batch ranges from 0 to 2"),
    ):
        by_position = [validated_by_position] if form in (arrays, dataset) else []
        for fails in (trained, evaluated, validated_by_name, *by_position):
            with pytest.raises(UserError, match=said):
                fails(model, form(images, labels))
    trained(model, form(IMAGES, LABELS))
    assert model.jit_compile


def trained(model, data):
    x, y = data if isinstance(data, tuple) else (data, None)
    model.fit(x, y, 4, 1, 0, shuffle=False)


def evaluated(model, data):
    x, y = data if isinstance(data, tuple) else (data, None)
    model.evaluate(x, y, 4, 0)


def validated_by_name(model, data):
    model.fit(IMAGES, LABELS, 4, verbose=0, validation_data=data)


def validated_by_position(model, data):
    model.fit(IMAGES, LABELS, 4, 1, 0, None, 0.0, data)


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_a_single_batch_is_checked_under_xla(by_xla, method):
    model, steps = by_xla, int(by_xla.optimizer.iterations)
    for x, y, said in (
        (IMAGES - 0.5, LABELS, "in .0, 1.; this batch ranges"),
        (IMAGES, LABELS + 2, "labels must be 0 to 1; this batch ranges from 2 to 2"),
    ):
        with pytest.raises(UserError, match=said):
            getattr(model, method)(x, y)
    assert model.jit_compile and int(model.optimizer.iterations) == steps
    assert np.isfinite(getattr(model, method)(IMAGES, LABELS)).all()


def test_names_for_labels_in_a_dataset_are_one_line_under_xla(by_xla):
    names = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS.astype(str))).batch(4)
    with pytest.raises(UserError, match=r"^labels must be numbers, not text; [^\n]*$"):
        by_xla.fit(names, shuffle=False, verbose=0)


def test_the_range_of_all_images_is_checked_off_the_gpu(monkeypatch):
    seen = []
    monkeypatch.setattr(batch, "_check", lambda *_: seen.append(context.context().device_name))
    batch.check_arrays(IMAGES)
    assert seen[0].endswith("CPU:0")  # None where TensorFlow may choose


def test_an_attack_falls_back():
    examples = Examples(IMAGES, LABELS)
    compiled = CompiledBatch(
        lambda images, rows, keys: {"sum": tf.reduce_sum(refused(images), [1, 2, 3])},
        jit_compile=True,
        title="toy",
    )
    with pytest.warns(UserWarning, match="toy goes on without XLA, which refuses") as said:
        [found] = attack_loop(compiled, examples, title="toy", batch_size=4, progress=False)
    assert len(said) == 1 and len(str(said[0].message).splitlines()) == 1
    np.testing.assert_allclose(found["sum"], IMAGES.sum((1, 2, 3)), rtol=1e-6)


def test_an_error_of_another_kind_is_raised_once_more():
    def wrong(images):
        return tf.debugging.check_numerics(refused(images) / 0, "seen")

    compiled = CompiledBatch(wrong, jit_compile=True)
    with warnings.catch_warnings(), pytest.raises(tf.errors.InvalidArgumentError, match="seen"):
        warnings.simplefilter("ignore")
        compiled(IMAGES)


def doubled():
    """Runs in a process of its own: XLA reads its flags once."""
    print(CompiledBatch(lambda x: 2 * x, jit_compile=True)([[1.0]]))


def test_a_program_that_cannot_be_kept_is_no_error(tmp_path):
    """XLA fails where it cannot write its cache, with an error of the file system."""
    (tmp_path / "file").touch()
    flags = f"--tf_xla_persistent_cache_directory={tmp_path / 'file' / 'cache'}"
    kept = {"TF_XLA_FLAGS": f"{flags} --tf_xla_persistent_cache_device_types=CPU"}
    begun(doubled, output=tmp_path / "said.txt", environment=kept).join()
    said = (tmp_path / "said.txt").read_text()
    assert "[[2.]]" in said, said[-2000:]
    assert "the attack goes on without XLA, which refuses" in said


def compiled_after(tensors):
    """Runs in a process of its own: an attack and a training, after so many tensors."""
    for _ in range(tensors):
        tf.constant(0.0)
    print(CompiledBatch(lambda x: 2 * x, jit_compile=True)([[1.0]]))
    fitted(Squares(), jit_compile=True)


def test_a_start_after_a_kill_finds_the_programs_of_the_first(tmp_path):
    """Although it reads a checkpoint first, which moves TensorFlow's running number."""
    flags = f"--tf_xla_persistent_cache_directory={tmp_path / 'cache'}"
    kept = {"TF_XLA_FLAGS": f"{flags} --tf_xla_persistent_cache_device_types=CPU"}
    found = []
    for tensors in (0, 7):
        said = tmp_path / f"said{tensors}.txt"
        begun(compiled_after, tensors, output=said, environment=kept).join()
        assert "[[2.]]" in said.read_text(), said.read_text()[-2000:]
        found.append({path.name: path.stat().st_mtime_ns for path in tmp_path.glob("cache/*")})
    assert len(found[0]) >= 2 and found[1] == found[0]


def test_the_running_number_moves_only_where_programs_are_kept(monkeypatch):
    kept = "--tf_xla_persistent_cache_directory=x"
    of_gpus = f"{kept} --tf_xla_persistent_cache_device_types=GPU"
    gpu = bool(tf.config.list_physical_devices("GPU"))
    for flags, moves in (("", False), (kept, True), (of_gpus, gpu)):
        monkeypatch.setenv("TF_XLA_FLAGS", flags)
        before = ops.uid()
        program_names.round_up(1000)
        after = ops.uid() - 1
        assert after % 1000 == 0 if moves else after == before, flags
