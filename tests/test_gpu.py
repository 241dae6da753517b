"""What only a GPU can show; tools/gpu_check.sh runs it."""

import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

from robust_tf.runs.run_folder import RunFolder

FLAGS = pathlib.Path(__file__).parents[1] / "flags"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="needs a GPU"),
]


@pytest.mark.parametrize("deterministic", ["auto", "true"])
@pytest.mark.parametrize("package, family", [("tla_tf", "tla"), ("hm_tf", "hm")])
def test_the_smallest_run_trains_and_is_evaluated(package, family, deterministic, tmp_path):
    """Its networks have max pooling, which XLA has no deterministic gradient of."""
    flags = [f"--flagfile={FLAGS / family / 'smoke.flags'}", f"--workdir={tmp_path}"]
    command = [sys.executable, "-m", f"{package}.train", f"--deterministic={deterministic}", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for said in ("Traceback", "doesn't support", "cannot use the"):
        assert said not in done.stderr
    assert ("without XLA" in done.stdout) == (deterministic == "true")
    lines = RunFolder(tmp_path).read_metrics()
    assert lines and all(line["peak_memory_gib"] > 0 for line in lines)
