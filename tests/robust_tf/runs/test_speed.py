"""What is measured of an interval of training: speed, waits, memory, and a profile of its steps."""

import gc
import weakref
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from robust_tf.runs import speed as module
from robust_tf.runs.profiling import Profile
from robust_tf.runs.speed import Speed
from tla_tf.options import TRAIN

BATCH, STEP = 8, 0.1


def model():
    network = keras.Sequential([keras.Input([4]), keras.layers.Dense(1)])
    network.compile("sgd", "mse", jit_compile=False)
    return network


def batches(come=lambda: None):
    def make(number):
        come()
        return np.ones([BATCH, 4], np.float32), np.zeros([BATCH, 1], np.float32)

    types = tf.float32, tf.float32

    def batch(number):
        x, y = tf.numpy_function(make, [number], types)
        return tf.ensure_shape(x, [BATCH, 4]), tf.ensure_shape(y, [BATCH, 1])

    return tf.data.Dataset.range(100).map(batch)


@pytest.fixture
def measured(monkeypatch):
    """Returns the function (wait=0.0, updates=4) -> logs of an interval.

    A batch takes `wait` seconds and a step `STEP`, by a clock that nothing else moves.
    """
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def passes(seconds):
        now[0] += seconds

    def measured(wait=0.0, updates=4):
        speed = Speed(BATCH, attack_share=0.5)
        step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: passes(STEP))
        dataset = speed.watched(batches(lambda: passes(wait)))
        model().fit(dataset, steps_per_epoch=updates, verbose=0, callbacks=[step, speed])
        logs = {}
        speed.on_interval_end(logs)
        return logs

    return measured


def test_the_wait_for_input_is_measured(measured):
    slow, fast = measured(wait=3 * STEP), measured()
    assert slow["input_wait"] == pytest.approx(0.75) and fast["input_wait"] == 0
    assert slow["images_per_second"] == pytest.approx(BATCH / (4 * STEP))
    assert fast["images_per_second"] == pytest.approx(BATCH / STEP)
    assert fast["attack_share"] == 0.5 and "peak_memory_gib" not in fast
    assert "waiting for input, inner attack 50 % of the FLOP" in module.in_words(slow)


def stateful(dataset):
    """Names of the stateful ops in the functions of a data set."""
    graphs = [wrapper.function.graph for wrapper in dataset._functions()]
    own = [op.name for g in graphs for op in g.get_operations() if op.op_def.is_stateful]
    return own + [name for part in dataset._inputs() for name in stateful(part)]


def test_watching_leaves_the_threads_of_the_input():
    """TensorFlow takes parallel maps and prefetching from a deterministic input with such an op."""
    numbers = tf.data.Dataset.range(3).map(lambda n: n + 1, num_parallel_calls=2)
    assert stateful(Speed(BATCH, attack_share=0.5).watched(numbers)) == []
    assert stateful(batches()) != []


def test_a_watched_dataset_keeps_no_model_alive():
    """TensorFlow keeps the Python functions of a dataset for good."""

    def watched():
        speed = Speed(BATCH, attack_share=0.5)
        speed.set_model(model())
        assert len(list(speed.watched(tf.data.Dataset.range(3)))) == 3
        return weakref.ref(speed.model)

    trained = watched()
    gc.collect()
    assert trained() is None


def test_an_interval_of_the_compiled_step_alone_has_no_speed(measured):
    logs = measured(updates=1)
    assert list(logs) == ["attack_share"] and module.in_words(logs) == ""


def test_the_device_that_needs_most_memory_counts(measured, monkeypatch):
    config, reset = tf.config, []
    monkeypatch.setattr(config, "list_logical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(config.experimental, "reset_memory_stats", reset.append)
    peaks = {"GPU:0": 2**30, "GPU:1": 3 * 2**30}
    monkeypatch.setattr(config.experimental, "get_memory_info", lambda gpu: {"peak": peaks[gpu]})
    logs = measured()
    assert reset == ["GPU:0", "GPU:1"] and logs["peak_memory_gib"] == 3
    assert module.in_words(logs).endswith("peak memory 3 GiB")


def test_a_profile_of_some_steps(tmp_path, monkeypatch):
    calls, profiler = [], tf.profiler.experimental
    monkeypatch.setattr(profiler, "start", lambda folder: calls.append(("start", trained.step)))
    monkeypatch.setattr(profiler, "stop", lambda: calls.append(("stop", trained.step)))

    class Count(keras.callbacks.Callback):
        step = 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1

    trained, network = Count(), model()
    for updates in (2, 4):  # a segment each; the steps count on
        profile = Profile(tmp_path, 3, 5)
        network.fit(batches(), steps_per_epoch=updates, verbose=0, callbacks=[profile, trained])
    assert calls == [("start", 2), ("stop", 4)]
    calls.clear()
    profile = Profile(tmp_path, 8, 20)  # training ends before
    network.fit(batches(), steps_per_epoch=3, verbose=0, callbacks=[profile, trained])
    assert calls == [("start", 7), ("stop", 9)]


def test_a_profile_is_written(tmp_path):
    model().fit(batches(), steps_per_epoch=3, verbose=0, callbacks=[Profile(tmp_path, 2, 3)])
    assert list(tmp_path.rglob("*.xplane.pb"))


@pytest.mark.parametrize("steps", ["5", "3,2", "0,2", "1,2,3", "1,9000"])
def test_steps_of_a_profile_that_do_not_exist(steps, capsys):
    from tla_tf import train

    assert train.main(["train", f"--profile_steps={steps}", "--train_steps=100"]) == 2
    assert "--profile_steps" in capsys.readouterr().err
    assert TRAIN.parse(["--profile_steps=20,24"]).profile_steps == [20, 24]
