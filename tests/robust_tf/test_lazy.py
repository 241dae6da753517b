"""The packages import nothing heavy, and every exported name is there."""

import subprocess
import sys

import pytest

import hm_tf
import tla_tf

CHECK = "import sys, tla_tf, hm_tf; assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"


def test_importing_the_packages_imports_no_tensorflow():
    assert subprocess.run([sys.executable, "-c", CHECK]).returncode == 0


@pytest.mark.parametrize("package", [tla_tf, hm_tf], ids=lambda package: package.__name__)
def test_every_exported_name_is_there(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        package.Nothing
