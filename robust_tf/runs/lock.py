"""The lock of a run folder: one process trains in it, or several read and measure.

The kernel holds the lock (flock) and frees it when the process ends, however it ends. The file
names the process that holds it. A network file system may not pass the lock on to another machine.
There a living holder is known by the time of the file, which it renews.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import pathlib
import socket
import threading
import time

from robust_tf.data.text_lines import visible
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_own_file

NAME = "lock"
RENEWED = 60.0  # seconds between the renewals of a holder
PATIENCE = 1.5 * RENEWED  # without a renewal for so long, the holder has ended
STALE = 20 * RENEWED  # more than the clocks of two machines differ
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def held(folder, *, shared=False):
    """Holds the lock of a run folder, and makes the folder where there is none.

    At the end it removes a folder that it made and that nobody has written to.

    Args:
        folder: path.
        shared: whether others may hold it at the same time, if they share it, too.

    Raises:
        UserError: another process holds it; it is named. Or it is a link.
    """
    folder = pathlib.Path(folder)
    made = [parent for parent in folder.parents if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    try:
        file = _acquired(path, shared)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        yield  # who cannot write here does no harm
        return
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(file.fileno(), ended), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()
        _release(file, path, made, shared)


def _acquired(path, shared):
    """The open file of the lock."""
    while True:
        require_own_file(path)
        file = path.open("a+", encoding="utf-8")
        try:
            known_to_kernel = _flock(file, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            _require_ended(file, path, shared, known_to_kernel)
        except BaseException:
            file.close()
            raise
        # The holder before may have removed the file after it was opened here.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            _name_holder(file, shared)
            return file
        file.close()


def _flock(file, path, mode):
    """Takes the lock; False where the file system has none. `UserError` where it is taken."""
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
        return True
    except BlockingIOError as error:
        raise _refusal(path, _holder(file)) from error
    except OSError:
        return False


def _require_ended(file, path, shared, known_to_kernel):
    """Raises `UserError` if the process that the file names may be alive though the lock is free.

    A holder on another machine is: it renews the file while this waits.
    """
    holder = _holder(file)
    if holder is None or (shared and holder["shared"]):
        return
    if holder["host"] == socket.gethostname():
        # A container that is started again has its names and its numbers again.
        own = holder["pid"] == os.getpid()
        if not known_to_kernel and not own and _is_alive(holder["pid"]):
            raise _refusal(path, holder)
        return
    renewed = os.fstat(file.fileno()).st_mtime
    if time.time() - renewed > STALE:
        return
    print(f"{path}: waiting whether {_in_words(holder)} is alive", flush=True)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(RENEWED / 60)
        try:
            # Opened anew: NFS may show the times of an open file as they were a minute ago.
            with path.open("rb") as again:
                if os.fstat(again.fileno()).st_mtime != renewed:
                    raise _refusal(path, holder)
        except FileNotFoundError:  # the holder has ended
            return


def _name_holder(file, shared):
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "start": now, "shared": shared}
    file.truncate(0)
    file.write(json.dumps(holder) + "\n")
    file.flush()


def _holder(file):
    """The process that the file names, as a dict; None where it names none."""
    file.seek(0)
    try:
        holder = json.loads(file.read())
        named = {"host", "pid", "start", "shared"} <= holder.keys()
        return holder if named and isinstance(holder["pid"], int) else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _renew(descriptor, ended):
    while not ended.wait(RENEWED):
        with contextlib.suppress(OSError):
            os.utime(descriptor)


def _release(file, path, made, shared):
    """Removes the file unless others share it, and the empty folders among its own and `made`."""
    with file, contextlib.suppress(OSError):
        if shared:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        for folder in (path.parent, *made):
            folder.rmdir()


def _refusal(path, holder):
    return UserError(
        f"{path.parent} is in use by {_in_words(holder)}; wait until it has ended, or name another "
        "folder"
    )


def _in_words(holder):
    if holder is None:
        return "another process"
    return visible("process {pid} on {host}, since {start}".format(**holder))


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # of another user
        pass
    return True
