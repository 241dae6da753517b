"""Files of one JSON object per line: appended to the disk, read without damaged lines."""

import json
import os
import pathlib
import warnings

NAMED = 3  # a warning names this many damaged lines


def append(path, records):
    """Appends dicts to the file `path`; they are on the disk when this returns."""
    path = pathlib.Path(path)
    with path.open("a+b") as file:
        # A line that a killed process left unfinished must not swallow the next record.
        file.write(b"\n" if _torn(file) else b"")
        file.write(text(records).encode())
        file.flush()
        os.fsync(file.fileno())


def read(path):
    """Returns the dicts in the file `path`, [] without a file.

    Lines that are no JSON object are left out with one warning: a killed process cuts a line off,
    a damaged disk changes it.
    """
    path = pathlib.Path(path)
    content = path.read_bytes() if path.exists() else b""
    records, damaged = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        record = _parsed(line)
        if isinstance(record, dict):
            records.append(record)
        elif line.strip():
            damaged.append(number)
    if damaged:
        warnings.warn(f"{path}: {_lines(damaged)} cut off or damaged and left out", stacklevel=2)
    return records


def text(records):
    """Returns the lines of dicts."""
    return "".join(json.dumps(record) + "\n" for record in records)


def _torn(file):
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _parsed(line):
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # no JSON, no text, brackets without end
        return None


def _lines(numbers):
    if len(numbers) == 1:
        return f"line {numbers[0]} was"
    more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
    return f"lines {', '.join(map(str, numbers[:NAMED]))}{more} were"
