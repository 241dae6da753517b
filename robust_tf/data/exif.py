"""The EXIF orientation of a JPEG file, in graph operations, and an image turned by it."""

import tensorflow as tf

ORIENTATION = 0x0112
# By the standard the EXIF segment comes first, by custom after a small JFIF segment.
SEARCHED = 512
ENTRIES = 64  # of a directory are read; cameras write about a dozen
_ENTRY = 12  # bytes: tag 2, type 2, count 4, value 4


def orientation(data):
    """Returns the EXIF orientation of an encoded image, int32 scalar in 1..8.

    Files without one, broken ones and files of other formats have 1: as it is stored.

    Args:
        data: string scalar.
    """
    marker = b"\xff\xe1..Exif\x00\x00"
    pattern = tf.constant([-1 if byte == ord(".") else byte for byte in marker])
    head = _bytes(tf.strings.substr(data, 0, SEARCHED), len(marker))
    windows = tf.signal.frame(head, len(marker), 1)
    found = tf.reduce_all((windows == pattern) | (pattern < 0), axis=1)
    is_jpeg = (head[0] == 0xFF) & (head[1] == 0xD8)
    start = tf.argmax(found, output_type=tf.int32) + len(marker)
    return tf.cond(
        is_jpeg & tf.reduce_any(found), lambda: _of_directory(data, start), lambda: tf.constant(1)
    )


def oriented(pixels, orientation):
    """Returns uint8 [h, w, c] as a viewer shows it.

    Args:
        pixels: uint8 [h, w, c], as stored.
        orientation: int32 scalar in 1..8; 6 says that the first row is shown at the right.
    """

    def flipped():
        across = tf.reverse(pixels, [1])
        upside_down = tf.reverse(pixels, [0])
        turned = tf.reverse(pixels, [0, 1])
        stored = [pixels, across, turned, upside_down]
        # From 5 on height and width are exchanged: transposed, then as 1, 4, 3, 2 without it.
        order = [stored[k] for k in (0, 3, 2, 1)]
        upright = [lambda image=image: image for image in stored]
        exchanged = [lambda image=image: tf.transpose(image, [1, 0, 2]) for image in order]
        return tf.switch_case(orientation - 1, [*upright, *exchanged])

    return tf.cond(orientation == 1, lambda: pixels, flipped)


def _of_directory(data, start):
    """Reads the first directory of the TIFF structure that begins at byte `start`."""
    tiff = _bytes(tf.strings.substr(data, start, 2**16), 8)
    big = tiff[0] == ord("M")

    def number(numbers, count):
        """Of bytes [..., count]; the bytes of a broken file may say anything."""
        powers = [256**k for k in range(count)]
        return tf.reduce_sum(numbers * tf.where(big, powers[::-1], powers), axis=-1)

    offset = tf.clip_by_value(number(tiff[4:8], 4), 0, 2**16)
    directory = tiff[offset:]
    directory = tf.pad(directory, [[0, 2 + ENTRIES * _ENTRY]])
    entries = tf.reshape(directory[2 : 2 + ENTRIES * _ENTRY], [ENTRIES, _ENTRY])
    inside = tf.range(ENTRIES) < number(directory[:2], 2)
    own = inside & (number(entries[:, :2], 2) == ORIENTATION)
    value = tf.reduce_max(tf.where(own, number(entries[:, 8:10], 2), 0))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _bytes(data, least):
    """The bytes of a string scalar, int32, at least `least`."""
    found = tf.cast(tf.io.decode_raw(data, tf.uint8), tf.int32)
    return tf.pad(found, [[0, tf.maximum(0, least - tf.size(found))]])
