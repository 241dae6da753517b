import ctypes
import pathlib
import signal
import warnings
from types import SimpleNamespace

import pytest
import tensorflow as tf

from robust_tf.cli import command_line
from robust_tf.errors import UserError
from robust_tf.training import strategy
from tla_tf.options import EVALUATE, TRAIN
from tla_tf.train import training_run

PAIR = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'


@pytest.fixture
def gpus(monkeypatch):
    """Pretends that there are so many GPUs."""

    def pretend(count):
        found = [f"GPU:{i}" for i in range(count)]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: found)

    return pretend


@pytest.mark.parametrize(
    "count, jit_compile, deterministic, expected",
    [
        (0, "auto", "auto", (False, True)),
        (0, "true", "auto", (True, False)),
        (0, "auto", "false", (False, False)),
        (1, "auto", "auto", (True, False)),
        (1, "false", "auto", (False, False)),
        (1, "auto", "true", (True, True)),
    ],
)
def test_determinism_is_on_where_it_is_free(gpus, count, jit_compile, deterministic, expected):
    gpus(count)
    xla = strategy.use_xla(jit_compile)
    assert (xla, strategy.use_determinism(deterministic, xla)) == expected


def test_a_deterministic_run_leaves_xla_out_and_says_so(tmp_path):
    flags = [f"--workdir={tmp_path}", "--jit_compile=true", "--deterministic=true"]
    run = training_run(TRAIN.parse([*flags, "--limit_train=50", "--limit_test=10"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns of jit_compile=True under determinism
        run.check()
    assert not run.xla and not run.model.jit_compile
    assert run.plan().splitlines()[-1].startswith("--deterministic=true: without XLA")


@pytest.mark.parametrize(
    "config, message",
    [
        (PAIR, "2 work"),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, '
            '"task": {"type": "worker", "index": 1}}',
            "3 workers",
        ),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "no cluster"),
        ("[1]", "no cluster"),
        ("{", "no cluster"),
        (PAIR.replace("b:1", "b"), "has the workers at a:1, b; each needs a place of its own"),
        (PAIR.replace("b:1", "b:65536"), "b:65536; each needs"),
        (PAIR.replace("b:1", "a:1"), "a:1, a:1; each needs"),
        (PAIR.replace('["a:1", "b:1"]', '"a:1"'), "a, :, 1; each needs"),
    ],
)
def test_a_cluster_is_refused(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=message):
        strategy.make_strategy("auto", 8)


def test_signals_end_a_worker_that_waits_for_others_and_after_it(monkeypatch, heard_signals):
    """TensorFlow lets no handler run meanwhile. Its server then swallows SIGTERM."""

    def taking():
        ctypes.CDLL(None).signal(int(signal.SIGTERM), 1)  # SIG_IGN, unknown to Python
        assert ignored() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        return SimpleNamespace(num_replicas_in_sync=2)

    def ignored():
        status = pathlib.Path("/proc/self/status").read_text()
        (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
        return int(mask, 16) >> (signal.SIGTERM - 1) & 1

    monkeypatch.setenv("TF_CONFIG", PAIR)
    monkeypatch.setattr(strategy, "meet", lambda places, own: None)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", taking)
    strategy.make_strategy("multi_worker", 8)
    assert not ignored() and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_workers_do_not_divide_the_processor():
    with pytest.raises(UserError, match="--logical_cpus=2 does nothing"):
        strategy.make_strategy("multi_worker", 8, logical_cpus=2)


def test_a_port_in_use_is_told(monkeypatch):
    def refusing():
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setenv("TF_CONFIG", PAIR)
    monkeypatch.setattr(strategy, "meet", lambda places, own: None)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", refusing)
    with pytest.raises(UserError, match="Could not start gRPC server; .* the port of worker 0"):
        strategy.make_strategy("multi_worker", 8)


@pytest.mark.parametrize("config", ["", '{"cluster": {"worker": ["a:1"]}}'])
def test_one_worker_trains(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    assert strategy.make_strategy("one_device", 8).num_replicas_in_sync == 1


@pytest.mark.parametrize(
    "flags, expected", [([], "mirrored"), (["--saved_model=folder"], "one_device")]
)
def test_a_saved_model_stays_on_one_device(monkeypatch, flags, expected):
    names = []

    def noted(name, logical_cpus):
        names.append(name)
        return tf.distribute.get_strategy()

    monkeypatch.setattr(strategy, "evaluation_strategy", noted)
    body = command_line.on_devices(lambda options: 7)
    assert body(EVALUATE.parse(["--strategy=mirrored", *flags])) == 7 and names == [expected]


def test_an_evaluation_keeps_float32():
    tf.config.experimental.enable_tensor_float_32_execution(True)
    strategy.evaluation_strategy("one_device")
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
