"""Members of archives are read up to a limit."""

import io
import tarfile
import zipfile

import pytest

from robust_tf.data import packed_files
from robust_tf.errors import UserError

NAMES = ("photos/1.jpg", "photos/list.txt")


def zipped(path, size):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.writestr(name, bytes(size))


def tarred(path, size):
    with tarfile.open(path, "w:gz") as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(size)))


@pytest.mark.parametrize("write, suffix", [(zipped, ".zip"), (tarred, ".tgz")])
def test_a_member_that_is_too_large_is_refused_by_its_header(write, suffix, tmp_path, monkeypatch):
    path = tmp_path / f"photos{suffix}"
    write(path, 1000)
    monkeypatch.setattr(packed_files, "MAX_MEMBER_BYTES", 1000)
    assert packed_files.read_files(path, NAMES) == dict.fromkeys(NAMES, bytes(1000))
    monkeypatch.setattr(packed_files, "MAX_MEMBER_BYTES", 999)
    with pytest.raises(UserError, match="photos/1.jpg takes 1,000 bytes unpacked, more than 999"):
        packed_files.read_files(path, NAMES)
