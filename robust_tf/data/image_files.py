"""Image files, JPEG or PNG, as bytes: decoded in batches, and tried out one by one."""

import concurrent.futures

import tensorflow as tf
from absl import logging

from robust_tf.data import image_header
from robust_tf.data.exif import orientation, oriented
from robust_tf.errors import UserError

NAMED = 3  # this many files are named in a message


def decode(files, image_shape):
    """Returns uint8 [n, h, w, c] of files; those of another size are resized, see `resize`.

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


@tf.function(autograph=False)
def decode_one(data, channels):
    """Returns uint8 [h, w, channels] of one file of any size, upright as its EXIF data say.

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
        image = tf.io.decode_image(data, channels, expand_animations=False)
    image = tf.ensure_shape(image, [None, None, channels])
    return oriented(image, orientation(data))


def resize(pixels, image_shape):
    """Returns uint8 [h, w, c], bilinear; the aspect ratio is not kept.

    Antialiased, as Pillow does it, from which the result differs by at most one level.
    """
    image = tf.image.resize(pixels, image_shape[:2], antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)


def pixels_or_none(data, channels):
    """Returns uint8 [h, w, channels] of one file of any size, None if it cannot be decoded."""
    try:
        with tf.device("cpu"):
            return decode_one(tf.constant(data), channels)
    except tf.errors.InvalidArgumentError:
        return None


def in_threads(function, items):
    """Returns [function(item) for item in items], computed on all cores."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))


def report_bad(names, on_bad_image):
    """Refuses files that cannot be decoded, or logs one line that they are left out.

    Args:
        names: of the bad files; may be empty.
        on_bad_image: "fail" or "skip".

    Raises:
        UserError: there are some, and on_bad_image="fail".
    """
    if names and on_bad_image == "fail":
        raise UserError(
            f"{cannot_decode(names)}; mend them, or leave them out: --on_bad_image=skip"
        )
    if names:
        logging.warning("%s: left out", cannot_decode(names))


def cannot_decode(names):
    """Returns the words for a message: how many files, and the names of the first."""
    files = f"{len(names):,} image file{'s' * (len(names) != 1)}"
    return f"{files} cannot be decoded: {first_of(names)}"


def first_of(names):
    """Returns the first names, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(map(str, names[:NAMED]))}{more}"
