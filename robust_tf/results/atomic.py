"""Files and folders that appear complete or not at all, even after a power loss."""

import errno
import os
import pathlib
import stat

NO_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP)


def write(path, content):
    """Replaces the file `path` by `content`, str or bytes; a pipe or device is written to."""
    path = pathlib.Path(path)
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")  # others may write it, too
    # Names of files that are not UTF-8 are written as they are.
    content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # else a file would take the place of /dev/null
        path.write_bytes(content)
        return
    try:
        beside.unlink(missing_ok=True)  # a link would be written through
        beside.write_bytes(content)
        rename(beside, path)
    finally:
        beside.unlink(missing_ok=True)  # on a full disk


def rename(beside, path):
    """Renames a complete file or folder to `path`, in the same folder.

    The content reaches the disk before the new name, and the name before this returns.
    """
    beside, path = pathlib.Path(beside), pathlib.Path(path)
    for part in (*beside.rglob("*"), beside):
        _sync(part)
    os.replace(beside, path)
    _sync(path.parent)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems sync files only. PostgreSQL lets these errors pass, too.
        if not (error.errno in NO_SYNC and stat.S_ISDIR(os.fstat(descriptor).st_mode)):
            raise
    finally:
        os.close(descriptor)
