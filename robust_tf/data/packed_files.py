"""Files by name, whether they are unpacked in a folder or still in their archive."""

import functools
import pathlib
import tarfile
import zipfile

from robust_tf.data import tfds_copies
from robust_tf.errors import UNREADABLE, UserError
from robust_tf.progress_bar import watched

_watched = functools.partial(watched, title="reading files", unit="file")
# An archive of a few kilobytes can announce members of any size.
MAX_MEMBER_BYTES = 2**28


def base(info, data_dir, *parts):
    """Returns the folder that holds the archives or what was unpacked from them.

    Args:
        info: DatasetInfo.
        data_dir: that folder, one of the `parts` in it, or None for the data set's own folder in
            TFDS_DATA_DIR or ~/tensorflow_datasets.
        *parts: names of archives and of the folders that they unpack to.
    """
    if data_dir is None:
        return tfds_copies.root(None) / info.name
    path = pathlib.Path(data_dir).absolute()
    return path.parent if path.is_file() or path.name in parts else path


def find(folder, unpacked, archive):
    """Returns `folder/unpacked`, else `folder/archive`, else None."""
    if (folder / unpacked).is_dir():
        return folder / unpacked
    return folder / archive if (folder / archive).is_file() else None


def read_files(place, names):
    """Returns {name: bytes} of those `names` that exist.

    Args:
        place: an unpacked folder, a .zip or a tar file.
        names: paths in the archive; their first part is the name of the unpacked folder.

    Raises:
        UserError: the archive is broken, or a file in it is too large.
    """
    try:
        if place.is_dir():
            paths = ((name, place.parent / name) for name in _watched(names, len(names)))
            return {name: path.read_bytes() for name, path in paths if path.is_file()}
        return (_from_zip if place.suffix == ".zip" else _from_tar)(place, set(names))
    except (*UNREADABLE, tarfile.TarError) as error:
        raise UserError(f"{place} is broken ({error}); get it anew") from error


def require_files(place, names, purpose):
    """Returns [bytes] of all `names`; UserError names the files that `place` lacks.

    Args:
        place, names: See `read_files`.
        purpose: str, what the files tell.
    """
    found = read_files(place, names)
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{place} lacks {', '.join(missing)}, which {purpose}")
    return [found[name] for name in names]


def unpacked(archive, name):
    """Returns the bytes of a member of a `zipfile.ZipFile`; UserError if it is too large."""
    _check_size(archive.filename, name, archive.getinfo(name).file_size)
    return archive.read(name)


def _check_size(place, name, size):
    if size > MAX_MEMBER_BYTES:
        raise UserError(
            f"{place}: {name} takes {size:,} bytes unpacked, more than {MAX_MEMBER_BYTES:,}; it is "
            "no image or list of the data set: get the archive anew"
        )


def _from_zip(place, names):
    with zipfile.ZipFile(place) as archive:
        found = [name for name in archive.namelist() if name in names]
        return {name: unpacked(archive, name) for name in _watched(found, len(found))}


def _from_tar(place, names):
    found = {}
    # A stream: a compressed tar file can only be read from its beginning.
    with tarfile.open(place, "r|*") as archive:
        for member in _watched(archive, None):
            name = member.name.removeprefix("./")
            if member.isfile() and name in names:
                _check_size(place, name, member.size)
                found[name] = archive.extractfile(member).read()
            if len(found) == len(names):
                break
    return found
