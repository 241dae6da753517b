"""An attack on several devices: the same outcome of each image, and the work divided."""

import attack_on_devices
from forked import ran


def test_images_have_the_same_outcome_on_one_device_and_on_several(tmp_path):
    code, said = ran(attack_on_devices.main, tmp_path, output=tmp_path / "said.txt")
    assert code == 0, said[-4000:]
