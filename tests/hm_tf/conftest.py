"""A finished run, trained once for all tests that need one."""

import pytest

from hm_tf import train


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory):
    """The folder of the finished smoke run. Tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("hm") / "run"
    smoke = "--flagfile=flags/hm/smoke.flags"
    assert train.main(["train", smoke, f"--workdir={folder}"]) == 0
    return folder
