"""Imports go downwards only: the floors of the house, the papers side by side, no circle."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = [
    ["robust_tf/threat_model.py", "robust_tf/distances.py", "robust_tf/randomness.py"]
    + ["robust_tf/magnitude.py", "robust_tf/settings.py", "robust_tf/progress_bar.py"]
    # The face names what every room offers and imports it only when asked.
    + ["robust_tf/errors.py", "robust_tf/lazy.py", "robust_tf/__init__.py"],
    ["robust_tf/attacks", "robust_tf/losses", "robust_tf/miners"],
    ["robust_tf/data", "robust_tf/models"],
    ["robust_tf/training"],
    ["robust_tf/results"],
    ["robust_tf/evaluation"],
    ["robust_tf/checks"],
    ["robust_tf/runs"],
    ["robust_tf/reports", "robust_tf/export"],
    ["tla_tf/__init__.py", "hm_tf/__init__.py", "hm_tf/triplets", "hm_tf/pretrained"],
    ["tla_tf/defenses", "hm_tf/defenses", "hm_tf/ranking_attacks"],
    # A run that has ended. Its training, which ends in an evaluation, stands with the commands.
    ["tla_tf/runs/finished_run.py", "tla_tf/runs/saved_run.py", "tla_tf/runs/__init__.py"]
    + ["hm_tf/runs/finished_run.py", "hm_tf/runs/saved_run.py", "hm_tf/runs/__init__.py"],
    ["tla_tf/evaluation", "hm_tf/evaluation"],
    ["tla_tf/analysis", "hm_tf/image_attack"],
    ["tla_tf/reporting", "hm_tf/reporting"],
    # Only the commands know flags: what the packages export imports neither cli nor options.py.
    ["robust_tf/cli"],
    ["tla_tf", "hm_tf"],
]
PACKAGES = ("robust_tf", "tla_tf", "hm_tf")


def sources():
    return sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def floor(path):
    name = path.relative_to(ROOT).as_posix()
    for level, rooms in enumerate(FLOORS):
        if any(name == room or name.startswith(room + "/") for room in rooms):
            return level
    raise AssertionError(f"{name} stands on no floor")


def imported(path):
    """The project files that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] in PACKAGES:
                place = ROOT.joinpath(*name.split("."))
                for candidate in (place.with_suffix(".py"), place / "__init__.py"):
                    if candidate.exists():
                        yield candidate


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_downwards(path):
    package = path.relative_to(ROOT).parts[0]
    for target in imported(path):
        assert floor(target) <= floor(path), f"{path} imports {target} above it"
        other = target.relative_to(ROOT).parts[0]
        assert other in (package, "robust_tf"), f"{package} imports {other}"


def test_no_import_circles():
    graph = {path: set(imported(path)) - {path} for path in sources()}
    while free := [path for path, targets in graph.items() if not targets]:
        for path in free:
            del graph[path]
        graph = {path: targets - set(free) for path, targets in graph.items()}
    assert not graph, f"circle among {sorted(map(str, graph))}"


def test_no_code_in_flags():
    assert not list((ROOT / "flags").rglob("*.py"))
