"""tools/gpu_check.sh and gpu_speedrun.sh with a Python that writes down what it is asked."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# A line per argument; a run is finished at once, and the attack of the speedrun fails if asked to.
PYTHON = """#!/bin/bash
printf '%s\\n' "$@" >> "$CALLS"
for word in "$@"; do
  [[ "$word" = --workdir=*resume* ]] && mkdir -p "${word#*=}" && echo '{"step": 400}' > "${word#*=}/metrics.jsonl"
done
[[ "$*" = *tla_tf.evaluate* ]] && exit "${ENDS:-0}"
exit 0
"""


@pytest.fixture
def machine(tmp_path):
    """Function (script, arguments, more variables) -> (exit code, what was printed, calls)."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in {"python3": PYTHON, "nvidia-smi": "#!/bin/bash\necho a GPU\n"}.items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)

    def run(script, *arguments, **more):
        calls = tmp_path / "calls"
        given = {
            "PATH": f"{stubs}:/usr/bin:/bin",
            "CALLS": str(calls),
            "DATA_DIR": "my data",
            **more,
        }
        command = ["bash", ROOT / "tools" / script, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True)
        found = calls.read_text().splitlines() if calls.exists() else []
        return done.returncode, done.stdout + done.stderr, found

    return run


@pytest.mark.parametrize("script, arguments", [("gpu_check.sh", ()), ("gpu_speedrun.sh", ("at",))])
def test_a_folder_of_data_may_have_a_space(machine, script, arguments):
    *_, calls = machine(script, *arguments)
    assert "--data_dir=my data" in calls


def test_what_ended_before_it_was_killed_is_no_resumed_training(machine):
    code, said, _ = machine("gpu_check.sh")
    assert code == 1 and "\nresume: exit 1 after" in f"\n{said}"


def test_a_check_starts_without_what_another_has_left(machine, tmp_path):
    (tmp_path / "before" / "tla").mkdir(parents=True)
    code, said, calls = machine("gpu_check.sh", "before")
    assert (code, calls) == (2, []) and "before is not empty" in said


def test_a_check_that_fails_is_told_and_the_others_run(machine, tmp_path):
    code, said, calls = machine("gpu_check.sh", "out", ENDS="7")
    assert code == 1 and "standard: exit 7 after" in said and "hm_export: exit 0 after" in said
    assert "== standard: exit 7" in (tmp_path / "out" / "ends.txt").read_text().splitlines()
    # Of what is timed the goals come first, each network with XLA and without.
    timed = [f"{a} {b}" for a, b in zip(calls, calls[1:], strict=False) if "benchmark.py" in a]
    kinds = [line.split()[1] for line in timed]
    assert kinds[:3] == ["loop", "loop", "training"] and len(kinds) == 9


def test_no_check_begins_after_the_time_is_over(machine):
    code, said, calls = machine("gpu_check.sh", LIMIT="0")
    assert code == 1 and "tla: left out, the time is over" in said
    assert calls[0] == "-c" and len(calls) == 2  # whether TensorFlow finds the GPU


@pytest.mark.parametrize("ends", [0, 7])
def test_the_speedrun_ends_as_its_attack(machine, tmp_path, ends):
    code, said, calls = machine("gpu_speedrun.sh", "at", "out", ENDS=str(ends))
    assert code == ends and ("the attack did not end: exit 7" in said) == (ends == 7)
    assert calls[-3:] == ["-", "out/run", "out"]  # the weights are kept all the same
