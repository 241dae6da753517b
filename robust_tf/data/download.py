"""Download of a file, verified by its checksum."""

import hashlib
import os
import socket
import urllib.request

from tqdm import tqdm

from robust_tf.errors import RunError, UserError

CHUNK = 2**20


def download(url, path, *, md5, instead):
    """Downloads `url` to `path`. The file appears when it is complete.

    Args:
        url: str.
        path: pathlib.Path; its folder is made.
        md5: str, hexadecimal checksum of the file.
        instead: str, advice for a machine without network.

    Raises:
        UserError: The address cannot be reached.
        RunError: The download broke off, or the checksum differs.
    """
    answer = reach(url, instead)
    # Other processes may download it, too.
    partial = path.with_name(f"{path.name}.{socket.gethostname()}-{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with answer, partial.open("wb") as file:
            found = _copy(answer, file)
        if found != md5:
            raise RunError(
                f"the download of {url} has the MD5 {found}, not {md5}; start it again, or "
                f"{instead}"
            )
        partial.rename(path)
    except OSError as error:
        raise RunError(f"the download of {url} broke off ({error}); start it again") from error
    finally:
        partial.unlink(missing_ok=True)


def reach(url, instead):
    """Returns the open answer of `url`; UserError if it cannot be reached, see `download`."""
    try:
        return urllib.request.urlopen(url, timeout=60)
    except OSError as error:
        raise UserError(f"{url} cannot be reached: {instead}") from error


def _copy(answer, file):
    checksum = hashlib.md5()
    size = int(answer.headers.get("Content-Length") or 0) or None
    with tqdm(total=size, unit="B", unit_scale=True, desc="download") as bar:
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            checksum.update(chunk)
            bar.update(len(chunk))
    return checksum.hexdigest()
