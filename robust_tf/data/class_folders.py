"""Image files in one folder per class: the files to read, and the files left out."""

import collections
import dataclasses
import itertools
import os
import pathlib

from robust_tf.data.text_lines import printable, shortened

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif")
# What operating systems add to folders and archives.
_SYSTEM_FILES = {"Thumbs.db", "desktop.ini"}
_SYSTEM_FOLDERS = {"__MACOSX"}


@dataclasses.dataclass
class LeftOut:
    """What a scan passes over, for one line of a message.

    Attributes:
        suffixes: Counter of the files that have other suffixes than `SUFFIXES`, by suffix.
        deeper: dict name of a folder -> number of image files in it, at any depth.
        beside: number of image files beside folders of classes.
        folders: Names of folders beside the training and test folders.
    """

    suffixes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    deeper: dict = dataclasses.field(default_factory=dict)
    beside: int = 0
    folders: list = dataclasses.field(default_factory=list)

    def __str__(self):
        found = []
        if self.suffixes:
            ranked = sorted(self.suffixes.items(), key=lambda item: (-item[1], item[0]))
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in ranked[:5])
            found.append(f"{_number(self.suffixes.total(), 'file')} of other kinds ({kinds})")
        if self.deeper:
            names = ", ".join(map(shortened, sorted(self.deeper)[:3]))
            found.append(
                f"{_number(sum(self.deeper.values()), 'image')} in deeper folders ({names})"
            )
        if self.beside:
            found.append(f"{_number(self.beside, 'image')} beside the folders of classes")
        if self.folders:
            found.append(f"folders {', '.join(self.folders)}")
        return "; ".join(found)


def class_folders(folder, left_out):
    """Returns dict name of a class -> paths of its images, both sorted.

    The images of a class lie in its folder, or, where it has none itself, in its folder `images`.

    Args:
        folder: pathlib.Path.
        left_out: `LeftOut`, filled.
    """
    found = {entry.name: _of_class(entry, left_out) for entry in subfolders(folder)}
    left_out.beside += len(images(folder)) if any(found.values()) else 0
    return found


def subfolders(folder):
    """Returns the sorted subfolders that may be classes."""
    return [
        entry
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _SYSTEM_FOLDERS
    ]


def images(folder):
    """Returns the sorted paths that are named like images; whether they are is not looked at."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if is_image(path.name))


def is_image(name):
    """Returns whether a file is named like an image and not hidden."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def first_with_images(folder):
    """Returns the first folder below a folder, at any depth, that has images; None without one."""
    for below in subfolders(folder):
        for place, folders, names in os.walk(below):
            folders.sort()
            if any(map(is_image, names)):
                return pathlib.Path(place)
    return None


def other_folder(flag, place, left_out=""):
    """Returns the end of a message on a folder without images: what it has, and what to give.

    Args:
        flag: name of the flag that gave the folder.
        place: Path of the folder that may be meant; None for no guess.
        left_out: `LeftOut` of the scan.
    """
    said = f"; not read: {left_out}" if str(left_out) else ""
    return said + (f"; did you mean --{flag}={printable(place)}?" if place else "")


def in_turn(classes):
    """Returns the items of lists, all lists in turn, so that a limit keeps classes balanced."""
    turns = itertools.zip_longest(*classes)
    return [item for turn in turns for item in turn if item is not None]


def count_others(folder, left_out):
    """Adds the files of a folder that are not named like images to `left_out`."""
    for path in folder.iterdir():
        if not (path.name.startswith(".") or path.name in _SYSTEM_FILES or is_image(path.name)):
            if path.is_file():
                left_out.suffixes[printable(path.suffix.lower()) or "no suffix"] += 1


def _of_class(folder, left_out):
    direct, below = images(folder), folder / "images"
    count_others(folder, left_out)
    if direct or not below.is_dir():
        return _without_deeper(folder, direct, left_out)
    count_others(below, left_out)
    return _without_deeper(below, images(below), left_out)


def _without_deeper(folder, read, left_out):
    """Returns the paths `read` of a folder; counts the images in its other subfolders."""
    for entry in set(subfolders(folder)) - set(read):
        if count := sum(is_image(name) for _, _, names in os.walk(entry) for name in names):
            left_out.deeper[f"{folder.name}/{entry.name}"] = count
    return read


def _number(count, noun):
    return f"{count:,} {noun}{'s' * (count != 1)}"
