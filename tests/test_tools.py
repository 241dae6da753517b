"""tools/: --help of every one says what it does and ends with 0; a mistake is one line and 2."""

import pathlib
import runpy
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).parents[1] / "tools"


def ended(tool, arguments, monkeypatch):
    """The exit code of a tool that runs in this process."""
    monkeypatch.setattr(sys, "argv", [str(tool), *arguments])
    monkeypatch.syspath_prepend(str(TOOLS))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(tool), run_name="__main__")
    return end.value.code or 0


@pytest.mark.parametrize("tool", sorted(TOOLS.glob("*.py")), ids=lambda tool: tool.name)
def test_help_of_a_tool(tool, monkeypatch, capsys):
    assert ended(tool, ["--help"], monkeypatch) == 0
    shown = capsys.readouterr()
    assert f"python tools/{tool.name}" in shown.out
    assert not shown.err


@pytest.mark.parametrize("script", sorted(TOOLS.glob("*.sh")), ids=lambda script: script.name)
def test_help_of_a_script(script, tmp_path):
    command = ["bash", script, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"tools/{script.name}" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_speedrun_needs_a_method(tmp_path):
    command = ["bash", TOOLS / "gpu_speedrun.sh"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "METHOD" in done.stdout


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("collect_results.py", ["all", "nowhere"]),
        ("masking_study.py", ["nowhere"]),
        ("results_pages.py", ["nowhere"]),
        ("serving_smoke.py", ["nowhere"]),
    ],
)
def test_a_place_with_nothing_in_it(tool, arguments, monkeypatch, capsys):
    assert ended(TOOLS / tool, arguments, monkeypatch) == 2
    assert "error: " in (said := capsys.readouterr().err) and "nowhere" in said
