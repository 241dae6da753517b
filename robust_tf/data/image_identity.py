"""Which images a folder holds, without opening one of them."""

import hashlib
import os

from robust_tf.progress_bar import watched


def image_identity(files, root):
    """Returns a dict of the number of images per split and a checksum of names and sizes.

    The same for a copy of the folder at another place.

    Args:
        files: split name -> [(path, label)].
        root: the folder that all paths lie below.
    """
    places = [(split, path) for split, rows in files.items() for path, _ in rows]
    lines = [
        os.fsencode(f"{split}/{path.relative_to(root).as_posix()} {_size(path)}\n")
        for split, path in watched(places, len(places), "sizes of images")
    ]
    checksum = hashlib.sha256(b"".join(sorted(lines))).hexdigest()
    return {**{split: len(rows) for split, rows in files.items()}, "checksum": checksum}


def _size(path):
    """Bytes of a file; -1 of a link to nothing and of everything else that is no file."""
    return path.stat().st_size if path.is_file() else -1


def in_words(identity):
    """Returns an identity in a few words."""
    counts = [f"{split} {count:,}" for split, count in identity.items() if split != "checksum"]
    return f"{', '.join(counts)} files, checksum {identity['checksum'][:8]}"
