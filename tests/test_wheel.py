"""What is installed from a wheel is complete and runs without the checkout."""

import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys
import zipfile

import pytest
from forked import ran

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = [name for name in ("robust_tf", "tla_tf", "hm_tf") if (ROOT / name).is_dir()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of a copy of the tree, built offline."""
    tree = tmp_path_factory.mktemp("tree")
    for name in (*PACKAGES, "flags"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for pattern in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        for path in ROOT.glob(pattern):
            shutil.copy(path, tree)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = tree.glob("dist/*.whl")
    return path


@pytest.fixture
def content(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_top_level_names(content):
    names = {name.split("/")[0] for name in content}
    assert {name for name in names if not name.endswith(".dist-info")} == set(PACKAGES)


def test_every_module_of_the_tree_is_in_it(content):
    modules = {p.relative_to(ROOT).as_posix() for n in PACKAGES for p in (ROOT / n).rglob("*.py")}
    assert len(modules) > 40 and modules <= content, modules - content


def test_all_package_data_are_in_it(content):
    kinds = "csv", "css", "pyi", "typed"
    found = {p for n in PACKAGES for kind in kinds for p in (ROOT / n).rglob(f"*.{kind}")}
    data = {path.relative_to(ROOT).as_posix() for path in found}
    assert {path.rpartition(".")[2] for path in data} == {*kinds}
    assert data <= content, data - content


def test_every_recipe_is_in_it(content):
    recipes = {path.relative_to(ROOT / "flags") for path in (ROOT / "flags").rglob("*.flags")}
    assert recipes and {f"robust_tf/recipes/{path.as_posix()}" for path in recipes} <= content


def started(installed, elsewhere, *arguments):
    """`python -m tla_tf.train` of the wheel, in a process that has forgotten the checkout."""
    for name in [*sys.modules]:
        if name.split(".")[0] in PACKAGES:
            del sys.modules[name]
    checkout = (path for path in sys.path if pathlib.Path(path or ".", PACKAGES[0]).is_dir())
    for path in [*checkout]:
        sys.path.remove(path)
    sys.path.insert(0, str(installed))
    os.chdir(elsewhere)
    sys.argv = ["train", *arguments]
    runpy.run_module("tla_tf.train", run_name="__main__", alter_sys=True)


def test_it_runs_without_the_checkout(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    smoke = ["--flagfile=flags/tla/smoke.flags", "--method=um", "--workdir=run"]
    smoke += ["--train_steps=2", "--eval_attacks=clean"]
    code, said = ran(started, installed, elsewhere, *smoke, output=tmp_path / "said.txt")
    assert code == 0, said[-2000:]
    assert len((elsewhere / "run/results.jsonl").read_text().splitlines()) == 1
    config = json.loads((elsewhere / "run/config.json").read_text())
    assert config["segments"][0]["commit"] is None, (
        "a commit is known: the checkout has run, not the wheel"
    )
