"""Which images a folder holds, without opening one of them."""

import hashlib
import os

from robust_tf.progress_bar import SOON, ProgressBar


def image_identity(files, root):
    """Returns a dict of the number of images per split and a checksum of names and sizes.

    The same for a copy of the folder at another place.

    Args:
        files: split name -> [(path, label)].
        root: the folder that all paths lie below.
    """
    lines = []
    with ProgressBar(sum(map(len, files.values())), "sizes of images", delay=SOON) as bar:
        for split, rows in files.items():
            for path, _ in rows:
                name = path.relative_to(root).as_posix()
                lines.append(os.fsencode(f"{split}/{name} {_size(path)}\n"))
                bar.update(1)
    checksum = hashlib.sha256(b"".join(sorted(lines))).hexdigest()
    return {**{split: len(rows) for split, rows in files.items()}, "checksum": checksum}


def _size(path):
    """Bytes of a file; -1 of a link to nothing and of everything else that is no file."""
    return path.stat().st_size if path.is_file() else -1


def in_words(identity):
    """Returns an identity in a few words."""
    counts = [f"{split} {count:,}" for split, count in identity.items() if split != "checksum"]
    return f"{', '.join(counts)} files, checksum {identity['checksum'][:8]}"
