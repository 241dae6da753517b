"""The smoke run, in this process: as a function, and finished once for all tests that read it."""

import shutil

import pytest

from tla_tf import export, train


@pytest.fixture(scope="session")
def smoke():
    """Returns the function (*flags) -> exit code of `tla_tf.train` with the smoke recipe."""

    def run(*flags):
        return train.main(["train", "--flagfile=flags/tla/smoke.flags", *flags])

    return run


@pytest.fixture(scope="session")
def smoke_run(smoke, tmp_path_factory):
    """The folder of a finished smoke run that no test may change."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert smoke(f"--workdir={folder}") == 0
    return folder


@pytest.fixture(scope="session")
def served(smoke_run, tmp_path_factory):
    """The first version of its export, with a detector, that no test may change."""
    from eagerly import eagerly  # TensorFlow is imported by tests that need it
    from forked import reloads

    folder = tmp_path_factory.mktemp("served")
    flags = [f"--workdir={smoke_run}", f"--export_dir={folder}", "--limit_test=40"]
    with eagerly(), reloads():
        assert export.main(["export", *flags, "--detector_fpr=0.1"]) == 0
    return folder / "1"


@pytest.fixture
def finished(smoke_run, tmp_path_factory):
    """A copy of the finished smoke run."""
    return shutil.copytree(smoke_run, tmp_path_factory.mktemp("copy") / "run")


@pytest.fixture
def unevaluated(finished, tmp_path):
    """A copy of the finished run, without results."""
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / "evaluation")
    (folder / "results.jsonl").unlink()
    return folder
