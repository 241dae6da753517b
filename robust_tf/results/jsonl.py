"""Files of one JSON object per line: appended to the disk, read without damaged lines.

Every line ends with its own checksum, so a changed digit is noticed, too. Lines without one, which
older versions wrote, are read as they are.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import warnings
import zlib

from robust_tf.data.text_lines import first_of
from robust_tf.results.output_place import require_own_file

CHECKSUM = "crc32"  # the last name in a line; its value is of the line without it
_ENDING = re.compile(rb'(.+), "[^"]*": "([0-9a-f]{8})"\}')


def append(path, records):
    """Appends dicts to the file `path`; they are on the disk when this returns."""
    with opened(path) as file:
        write(file, records)


@contextlib.contextmanager
def opened(path):
    """Opens the file `path` to read and append; another process that does so waits.

    Raises:
        UserError: it is a link, see `require_own_file`.
    """
    require_own_file(path)
    with pathlib.Path(path).open("a+b") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def write(file, records):
    """Appends dicts to a file of `opened`; they are on the disk when this returns."""
    # A line that a killed process left unfinished must not swallow the next record.
    file.write((b"\n" if _torn(file) else b"") + text(records).encode())
    file.flush()
    os.fsync(file.fileno())


def read(path):
    """Returns the dicts in the file `path`, [] without a file.

    Lines that are no JSON object, or whose checksum is another, are left out with one warning. A
    killed process cuts a line off, a damaged disk changes it.
    """
    path = pathlib.Path(path)
    content = path.read_bytes() if path.exists() else b""
    records, damaged = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        record = parsed(line)
        if record is not None:
            records.append(record)
        elif line.strip():
            damaged.append(str(number))
    if damaged:
        lines = f"line {damaged[0]} was" if len(damaged) == 1 else f"lines {first_of(damaged)} were"
        warnings.warn(f"{path}: {lines} cut off or damaged and left out", stacklevel=2)
    return records


def text(records):
    """Returns the lines of dicts."""
    lines = map(json.dumps, records)
    return "".join(f'{one[:-1]}, "{CHECKSUM}": "{_checksum(one.encode())}"}}\n' for one in lines)


def parsed(line):
    """Returns the dict in a line, bytes; None of a damaged line."""
    if ending := _ENDING.fullmatch(line):
        content, checksum = ending.groups()
        # Whatever its name is: that may be what was damaged.
        if _checksum(content + b"}") == checksum.decode():
            line = content + b"}"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, no text, brackets without end
        return None
    return record if isinstance(record, dict) and CHECKSUM not in record else None


def _checksum(record):
    return f"{zlib.crc32(record):08x}"


def _torn(file):
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
