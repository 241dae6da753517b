"""Image files in one folder per class: the files to read, and the files left out."""

import collections
import dataclasses
import operator
import os
import pathlib
from typing import NamedTuple

from robust_tf.data.text_lines import printable, shortened
from robust_tf.progress_bar import watched

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
    listing = _listing(folder)
    folders = watched(listing.folders, len(listing.folders), "listing folders", "folder")
    found = {entry.name: _of_class(entry, left_out) for entry in folders}
    left_out.beside += len(listing.images) if any(found.values()) else 0
    return found


def subfolders(folder):
    """Returns the sorted subfolders that may be classes."""
    return _listing(folder).folders


def images(folder):
    """Returns the sorted paths that are named like images; whether they are is not looked at."""
    return _listing(folder).images if folder.is_dir() else []


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
    # Not turn by turn: one large class among many would take a step of all classes for each image.
    turns = [pair for items in classes for pair in enumerate(items)]
    return [item for _, item in sorted(turns, key=operator.itemgetter(0))]


def count_others(folder, left_out):
    """Adds the files of a folder that are not named like images to `left_out`."""
    _count_others(_listing(folder), left_out)


class _Listing(NamedTuple):
    """What a folder has, but for hidden entries: paths, sorted by name.

    Attributes:
        images: entries with the name of an image, files or not.
        folders: folders and links to folders, without the folders of operating systems.
        others: further files, without the files of operating systems.
    """

    images: list
    folders: list
    others: list


def _listing(folder):
    """Lists a folder once, and asks for nothing more of plain files: a network makes both slow."""
    found = _Listing([], [], [])
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in sorted(shown, key=lambda entry: entry.name):
        path, plain = folder / entry.name, entry.is_file(follow_symlinks=False)
        if is_image(entry.name):
            found.images.append(path)
        elif entry.name not in _SYSTEM_FILES and (plain or path.is_file()):
            found.others.append(path)
        if not plain and entry.name not in _SYSTEM_FOLDERS and path.is_dir():
            found.folders.append(path)
    return found


def _of_class(folder, left_out):
    listing = _listing(folder)
    _count_others(listing, left_out)
    below = folder / "images"
    if listing.images or below not in listing.folders:
        return _without_deeper(folder, listing, left_out)
    listing = _listing(below)
    _count_others(listing, left_out)
    return _without_deeper(below, listing, left_out)


def _count_others(listing, left_out):
    for path in listing.others:
        left_out.suffixes[printable(path.suffix.lower()) or "no suffix"] += 1


def _without_deeper(folder, listing, left_out):
    """Returns the images of a folder; counts the images in its other subfolders."""
    for entry in set(listing.folders) - set(listing.images):
        if count := sum(is_image(name) for _, _, names in os.walk(entry) for name in names):
            left_out.deeper[f"{folder.name}/{entry.name}"] = count
    return listing.images


def _number(count, noun):
    return f"{count:,} {noun}{'s' * (count != 1)}"
