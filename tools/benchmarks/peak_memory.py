"""Peak memory of a call."""

import contextlib
import ctypes
import ctypes.util
import pathlib

CLEAR, STATUS = pathlib.Path("/proc/self/clear_refs"), pathlib.Path("/proc/self/status")
RESET_PEAK = "5"
HOW = "highest resident set (VmHWM) above that before the call"


def peak_memory(run):
    """Calls `run` and returns by how many bytes the process grew at most.

    Freed memory is given back to the system first and the high-water mark reset, so that earlier
    calls do not hide anything.

    Returns:
        int, or None where the system has no /proc/self/clear_refs (Linux has).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(ctypes.util.find_library("c")).malloc_trim(0)
    try:
        CLEAR.write_text(RESET_PEAK, "utf-8")
    except OSError:
        run()
        return None
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def mebibytes(peak):
    """The result of `peak_memory` as text."""
    return "not known here" if peak is None else f"{peak / 2**20:.0f} MiB"


def _status(field):
    line = next(line for line in STATUS.read_text("utf-8").splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])
