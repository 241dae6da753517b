"""What a command sets before TensorFlow starts, and what it says of a GPU that is not used."""

import gc
import os
import sys
import warnings

import pytest
import tensorflow as tf

from robust_tf.cli import start_tensorflow

IMPORTED = """
import gc

class config:
    collecting = gc.isenabled()
    list_physical_devices = list
"""
CACHE = "--tf_xla_persistent_cache_directory"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine without a GPU, whose driver would list GPUs in the folder that is returned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start_tensorflow, "NVIDIA_GPUS", tmp_path / "gpus")
    monkeypatch.setattr(start_tensorflow, "NVIDIA_CONTROL", tmp_path / "nvidiactl")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    return tmp_path / "gpus"


def plug(gpus, *models):
    for number, model in enumerate(models):
        (gpus / f"0000:0{number}:00.0").mkdir(parents=True)
        text = f"Model: \t\t {model}\nIRQ:   \t\t 42\n"
        (gpus / f"0000:0{number}:00.0/information").write_text(text)


def flags_of_start():
    start_tensorflow._keep_compiled_programs()
    return os.environ["TF_XLA_FLAGS"]


@pytest.mark.parametrize(
    "before, folder, kept",
    [
        ("", "cache", True),
        ("--tf_xla_auto_jit=2", "cache", True),
        (f"{CACHE}=/own", "cache", False),
        ("", "my cache", False),
        ("", "file", False),  # XLA would compile nothing
    ],
)
def test_xla_keeps_its_programs_in_the_users_cache(before, folder, kept, machine, monkeypatch):
    (machine.parent / "file").touch()
    monkeypatch.setenv("TF_XLA_FLAGS", before)
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    flags = flags_of_start()
    assert flags.startswith(before)
    assert (f"{CACHE}={folder}/robust_tf/xla-{tf.__version__} " in flags) == kept
    assert not (machine.parent / "cache").exists()  # XLA makes it, with the first program


def test_a_home_of_another_user_keeps_nobody_from_working(tmp_path, monkeypatch):
    """As of a container that runs under the user's number with the HOME of root."""
    stat, home = os.stat, str(tmp_path / "root")

    def refused(path, **given):
        if str(path).startswith(f"{home}/"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **given)

    os.mkdir(home)
    monkeypatch.setattr("os.stat", refused)
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != home)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{home}/.cache")
    assert flags_of_start() == ""


def test_each_kind_of_gpu_has_programs_of_its_own(machine):
    plug(machine, "NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB")
    folder = f"xla-{tf.__version__}-NVIDIA_A100_SXM4_40GB-NVIDIA_H100_80GB_HBM3"
    assert f"{CACHE}=cache/robust_tf/{folder} " in flags_of_start()


@pytest.mark.parametrize("before, after", [(None, "true"), ("false", "false")])
def test_every_command_leaves_memory_of_a_gpu_to_others(before, after, monkeypatch):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "")
    if before is None:
        monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH")
    else:
        monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", before)
    start_tensorflow.load_tensorflow()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == after


def test_a_command_runs_keras_on_tensorflow(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    start_tensorflow.load_tensorflow()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


@pytest.mark.parametrize("visible, said", [(None, 1), ("0,1", 1), ("", 0), ("-1", 0)])
def test_a_gpu_that_tensorflow_cannot_use_is_named(visible, said, machine, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        plug(machine, "NVIDIA L4")
        start_tensorflow.load_tensorflow()  # in a container without GPUs
        assert not found
        (machine.parent / "nvidiactl").touch()
        start_tensorflow.load_tensorflow()
    assert len(found) == said
    assert all("cannot use the NVIDIA L4" in str(line.message) for line in found)


@pytest.mark.parametrize("before", [True, False])
def test_nothing_imported_is_looked_at_for_garbage(tmp_path, monkeypatch, request, before):
    if not before:  # as a user may have switched it
        request.addfinalizer(gc.enable)
        gc.disable()
    (tmp_path / "tensorflow.py").write_text(IMPORTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow")
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    for _ in range(2):  # another command in this process leaves its own garbage to Python
        start_tensorflow.load_tensorflow()
        assert gc.isenabled() == before
    assert not sys.modules["tensorflow"].config.collecting
    assert frozen == [False]
