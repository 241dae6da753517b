"""An attack on several devices: the same outcome of each image, and the work divided."""

import pathlib
import subprocess
import sys


def test_images_have_the_same_outcome_on_1_and_3_devices(tmp_path):
    worker = pathlib.Path(__file__).with_name("attack_on_devices.py")
    done = subprocess.run([sys.executable, worker, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
