"""Image files as bytes: read, decoded in batches or one by one, and reported where they are bad."""

import collections
import concurrent.futures
import functools

import tensorflow as tf
from absl import logging

from robust_tf.data import image_header
from robust_tf.data.exif import orientation, oriented
from robust_tf.data.text_lines import first_of, printable
from robust_tf.errors import RunError, UserError, reason_of
from robust_tf.progress_bar import watched

# Images that wait for a thread: a list of all would take more memory than small images.
WAITING = 1000


class UnreadableImage(Exception):
    """An image file that cannot be used; the text is a predicate, e.g. "cannot be decoded"."""

    def __str__(self):
        return super().__str__() or "cannot be decoded"


def decode(files, image_shape):
    """Returns uint8 [n, h, w, c] of files; files of another size are resized, see `resize`.

    Args:
        files: string tensor [n], or numpy array of bytes.
        image_shape: (h, w, c); files in gray are repeated over 3 channels.
    """

    def pixels(data):
        image = decode_one(data, image_shape[-1])
        fits = tf.reduce_all(tf.shape(image) == image_shape)
        image = tf.cond(fits, lambda: image, lambda: resize(image, image_shape))
        return tf.ensure_shape(image, image_shape)

    signature = tf.TensorSpec(image_shape, tf.uint8)
    return tf.map_fn(pixels, tf.convert_to_tensor(files), fn_output_signature=signature)


@functools.cache
def batch_decoder(image_shape):
    """Returns `decode` for one shape as a graph: files to images, several at a time.

    Outside of a graph each image would cost 3 ms more.
    """

    def decode_batch(files):
        with tf.device("cpu"):
            return decode(files, image_shape)

    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(decode_batch, input_signature=signature, autograph=False)


@tf.function(autograph=False)
def decode_one(data, channels):
    """Returns the image of `decode_as_stored`, upright as the EXIF data of its file say."""
    return oriented(decode_as_stored(data, channels), orientation(data))


def decode_as_stored(data, channels):
    """Returns uint8 [h, w, channels] of one file of any size, in graph operations.

    Args:
        data: string scalar, a file of `image_header.FORMATS`.
        channels: 1 or 3; a file in gray is repeated over 3 channels.

    Raises:
        InvalidArgumentError: another format, or a broken file.
    """
    # The decoder ends the process at some files of other formats.
    with tf.control_dependencies(
        [tf.debugging.Assert(image_header.known(data), ["unknown format"])]
    ):
        data = tf.identity(data)

    def of_channels(number):
        image = tf.io.decode_image(data, number, expand_animations=False)
        return tf.ensure_shape(image, [None, None, number])

    if channels == 3:
        return of_channels(3)
    return tf.cond(
        image_header.colours_only(data),
        lambda: tf.image.rgb_to_grayscale(of_channels(3)),
        lambda: of_channels(1),
    )


def resize(pixels, image_shape):
    """Returns uint8 [h, w, c], bilinear; the aspect ratio is not kept.

    Antialiased, as Pillow does it, from which the result differs by at most one level.
    """
    image = tf.image.resize(pixels, image_shape[:2], antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)


def read_file(path):
    """Returns the bytes of a file.

    Raises:
        UnreadableImage: it is no file, e.g. a link to nothing, or may not be read.
        RunError: the file system fails. A run that went on without the image would be another run.
    """
    try:
        if path.is_file():  # opening a pipe would wait for ever
            return path.read_bytes()
    except PermissionError as error:
        raise UnreadableImage("cannot be opened") from error
    except OSError as error:
        reason = error.strerror or reason_of(error)
        raise RunError(f"{printable(path)} cannot be read now: {reason}") from error
    raise UnreadableImage("is no regular file")


def decoded(data, channels):
    """Returns uint8 [h, w, channels] of one file of any size.

    Raises:
        UnreadableImage: the file cannot be decoded.
    """
    try:
        with tf.device("cpu"):
            return _compiled(channels)(tf.constant(data))
    except tf.errors.InvalidArgumentError as error:
        raise UnreadableImage from error


@functools.cache
def _compiled(channels):
    """`decode_one`, traced before threads call it at the same time."""
    return decode_one.get_concrete_function(tf.TensorSpec([], tf.string), channels)


def in_threads(function, items):
    """Returns [function(item) for item in items], computed on all cores, under a progress bar.

    An `UnreadableImage` that the function raises stands in the place of its result.
    """

    def attempt(item):
        try:
            return function(item)
        except UnreadableImage as bad:
            return bad

    with concurrent.futures.ThreadPoolExecutor() as pool:
        parts = (items[start : start + WAITING] for start in range(0, len(items), WAITING))
        results = (result for part in parts for result in pool.map(attempt, part))
        return list(watched(results, len(items), "reading images"))


def read_all(names, load, on_bad_image):
    """Reads image files on all cores; returns the rows [m] that can be read, and what they gave.

    Args:
        names: [n] names of the files.
        load: function of a name; it raises `UnreadableImage`.
        on_bad_image: "fail", or "skip": the others are left out with a warning.

    Raises:
        UserError: there are unreadable files, and on_bad_image="fail".
    """
    kept, results, by_reason = [], [], collections.defaultdict(list)
    for row, result in enumerate(in_threads(load, names)):
        if isinstance(result, UnreadableImage):
            by_reason[str(result)].append(names[row])
        else:
            kept.append(row)
            results.append(result)
    if by_reason:
        said = "; ".join(counted(found, reason) for reason, found in by_reason.items())
        if on_bad_image == "fail":
            raise UserError(f"{said}; mend them, or leave them out: --on_bad_image=skip")
        logging.warning("%s: left out", said)
    return kept, results


def counted(names, reason):
    """Returns the words for a message: number of files, their fault, and the first names."""
    if len(names) == 1:
        return f"1 image file {reason}: {first_of(names)}"
    plural = {"is": "are", "has": "have"}
    verb, _, rest = reason.partition(" ")
    return f"{len(names):,} image files {plural.get(verb, verb)} {rest}: {first_of(names)}"
