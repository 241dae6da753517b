"""A folder of the user's images to search in, and single images, as a trained network sees them."""

import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from robust_tf.data.augment import ResizedCrop
from robust_tf.data.class_folders import (
    SUFFIXES,
    LeftOut,
    class_folders,
    count_others,
    first_with_images,
    images,
    other_folder,
)
from robust_tf.data.displayed import displayed, say_sixteen_bit, sixteen_bit
from robust_tf.data.examples import Examples
from robust_tf.data.folder import FolderInfo
from robust_tf.data.image_files import (
    UnreadableImage,
    decode_one,
    decoded,
    read_all,
    read_file,
)
from robust_tf.data.pipeline import eval_images
from robust_tf.data.text_lines import first_of, printable
from robust_tf.errors import UserError


class GalleryFolder(NamedTuple):
    """The image files of a gallery, in the order of their names.

    Attributes:
        paths: list of Path.
        labels: int32 [n], or None for a folder without subfolders.
        class_names: tuple of str, the subfolders; empty without.
    """

    paths: list
    labels: np.ndarray | None
    class_names: tuple

    def class_of(self, row):
        """The name of the class of an image, "" without classes."""
        return "" if self.labels is None else self.class_names[self.labels[row]]


def scan(folder):
    """Returns the `GalleryFolder` of one subfolder per class, or of images alone; opens no file.

    Raises:
        UserError: no folder, no images in it, or images beside subfolders with images.
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise UserError(
            f"--gallery={folder} is not a folder; it needs images, or one subfolder per class"
        )
    left_out, flat = LeftOut(), images(root)
    classes = {name: found for name, found in class_folders(root, left_out).items() if found}
    if flat and classes:
        raise UserError(
            f"--gallery={folder} has images beside subfolders with images "
            f"({printable(flat[0].name)}, {printable(next(iter(classes)))}/); put all images into "
            "subfolders, or none"
        )
    count_others(root, left_out)
    if not flat and not classes:
        below = first_with_images(root)
        raise UserError(
            f"--gallery={folder} has no images ({', '.join(SUFFIXES)}), neither itself nor in its "
            f"subfolders{other_folder('gallery', below and below.parent, left_out)}"
        )
    if str(left_out):
        logging.warning("--gallery=%s: not read: %s", printable(folder), left_out)
    if flat:
        return GalleryFolder(flat, None, ())
    labels = [label for label, found in enumerate(classes.values()) for _ in found]
    paths = [path for found in classes.values() for path in found]
    names = tuple(map(printable, classes))
    return GalleryFolder(paths, np.array(labels, np.int32), names)


def read(gallery, info, on_bad_image="fail", max_pixels=None, name="the gallery"):
    """Returns (`GalleryFolder` of the images that can be read, their `Examples`).

    The files stay encoded in memory; photos are resized as the training did it. A photo of the
    network's input size is taken as it is.

    Args:
        gallery: `GalleryFolder`.
        info: `DatasetInfo` of what the network was trained on.
        on_bad_image: see `FileSettings`.
        max_pixels: see `FileSettings`; None means the limit of the training.
        name: what the files are, for the message where none can be read.

    Raises:
        UserError: files that cannot be read, with "fail"; none that can; another size than the
            network's where the training did not resize.
    """
    kept, found = read_all(gallery.paths, lambda p: _opened(p, info, max_pixels), on_bad_image)
    if not kept:
        raise UserError(f"none of {name}'s images can be read")
    paths = [gallery.paths[row] for row in kept]
    files, sides, deep = zip(*found)
    say_sixteen_bit([path for path, sixteen in zip(paths, deep) if sixteen])
    if not resizes(info):
        _refuse_other_sizes(paths, sides, info)
    labels = None if gallery.labels is None else gallery.labels[kept]
    fitted = [_fitted(file, found, info) for file, found in zip(files, sides)]
    return GalleryFolder(paths, labels, gallery.class_names), _examples(fitted, info, labels)


def read_single(path, info, max_pixels=None):
    """Returns (image float32 [h, w, c] in [0, 1], a notice or "") of one file.

    A file of the network's input size is taken as it is. A photo of another size is resized as the
    training did it, and the notice says so.

    Args:
        path: Path of the file, as --query gives it.
        info: see `read`.
        max_pixels: see `read`.

    Raises:
        UserError: no such file, one that cannot be decoded, or the wrong size, see `read`.
    """
    path = pathlib.Path(path)
    try:
        data, sides, deep = _opened(path, info, max_pixels)
    except UnreadableImage as error:
        raise UserError(f"--query={path} {error}; give a JPEG or PNG image") from error
    say_sixteen_bit([path] if deep else [])
    if not resizes(info):
        _refuse_other_sizes([path], [sides], info)
    image = pixels_of(_examples([_fitted(data, sides, info)], info, None), 0)
    wanted = tuple(info.image_shape[:2])
    if sides == wanted:
        return image, ""
    (height, width), side = sides, target_size(info)[0]
    cut = f" and cut to its middle {wanted[1]}x{wanted[0]}" if side != wanted[0] else ""
    notice = f"{path.name} is {width}x{height}: resized to {side}x{side}{cut}"
    return image, notice


def resizes(info):
    """Whether training took images of any size, so that a user's images may be resized as well."""
    return isinstance(info, FolderInfo) or isinstance(info.augment, ResizedCrop)


def target_size(info):
    """Returns (h, w) that files are resized to before the window, if any, is cut out."""
    if isinstance(info.augment, ResizedCrop):
        return (info.augment.resized,) * 2
    return tuple(info.image_shape[:2])


def _opened(path, info, max_pixels):
    """The encoded image, its (height, width), and whether its file has 16 bits per channel."""
    stored = read_file(path)
    data = displayed(stored, max_pixels or info.settings.max_pixels)
    return data, tuple(decoded(data, info.image_shape[-1]).shape[:2]), sixteen_bit(stored)


def _refuse_other_sizes(paths, sides, info):
    wanted = tuple(info.image_shape[:2])
    wrong = [path for path, found in zip(paths, sides) if found != wanted]
    if wrong:
        height, width = next(found for found in sides if found != wanted)
        size = f"{wanted[1]}x{wanted[0]}"
        raise UserError(
            f"images of {info.name} are {size} and were never resized in training; of another "
            f"size: {first_of(wrong)} ({width}x{height}); bring them to {size}"
        )


def _fitted(data, sides, info):
    """A file that the window cut out of it, if any, shows whole where it has the window's size."""
    target, wanted = target_size(info), tuple(info.image_shape[:2])
    if sides != wanted or target == wanted:
        return data
    top, left = ((outer - inner) // 2 for outer, inner in zip(target, wanted))
    with tf.device("cpu"):
        pixels = decode_one(tf.constant(data), info.image_shape[-1])
        return tf.io.encode_png(tf.image.pad_to_bounding_box(pixels, top, left, *target)).numpy()


def _examples(files, info, labels):
    crop = info.augment if isinstance(info.augment, ResizedCrop) else None
    labels = np.zeros(len(files), np.int32) if labels is None else labels
    shape = (*target_size(info), info.image_shape[-1])
    return Examples(np.array(files, object), labels, shape, crop)


def pixels_of(examples, row):
    """Returns image `row` as a network sees it, float32 [h, w, c] in [0, 1]."""
    with tf.device("cpu"):  # no tf.data.Dataset: to trace one takes half a second
        return eval_images(examples.rows([row]))([0])[0].numpy()
