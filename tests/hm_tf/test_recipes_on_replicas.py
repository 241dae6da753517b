"""Every recipe starts on any number of devices: on as many as divide its batch into shards."""

import pathlib
import subprocess
import sys


def test_every_recipe_starts_on_1_to_8_devices_and_the_smallest_trains_on_2(tmp_path):
    worker = pathlib.Path(__file__).with_name("recipes_on_replicas.py")
    done = subprocess.run([sys.executable, worker, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "digits [1, 1, 1, 1, 1]" in done.stdout and "cub200 [1, 2, 2, 2, 2]" in done.stdout
    assert "on 2 replicas" in done.stdout and (tmp_path / "results.jsonl").exists()
