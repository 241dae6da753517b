"""The EXIF orientation of a JPEG or PNG file, in graph operations, and an image turned by it."""

import tensorflow as tf

ORIENTATION = 0x0112
# By the standard the EXIF segment comes first, by custom after a small JFIF segment.
SEARCHED = 512
CHUNKS = 64  # of a PNG file are looked at; writers put a handful before the pixels
ENTRIES = 64  # of a directory are read; cameras write about a dozen
_ENTRY = 12  # bytes: tag 2, type 2, count 4, value 4


def orientation(data):
    """Returns the EXIF orientation of an encoded image, int32 scalar in 1..8.

    Files without one, broken ones and files of other formats have 1: as it is stored.

    Args:
        data: string scalar.
    """
    is_png = tf.strings.substr(data, 0, 8) == b"\x89PNG\r\n\x1a\n"
    start = tf.cond(is_png, lambda: _of_png(data), lambda: _of_jpeg(data))
    return tf.cond(start > 0, lambda: _of_directory(data, start), lambda: tf.constant(1))


def oriented(pixels, orientation):
    """Returns uint8 [h, w, c] as a viewer shows it.

    Args:
        pixels: uint8 [h, w, c], as stored.
        orientation: int32 scalar in 1..8; 6 says that the first row is shown at the right.
    """

    def upright():
        image = tf.cond(orientation < 5, lambda: pixels, lambda: tf.transpose(pixels, [1, 0, 2]))
        down = tf.where(tf.reduce_any(orientation == [3, 4, 7, 8]), -1, 1)
        across = tf.where(tf.reduce_any(orientation == [2, 3, 6, 7]), -1, 1)
        return tf.ensure_shape(image[::down, ::across], [None, None, pixels.shape[-1]])

    return tf.cond(orientation == 1, lambda: pixels, upright)


def _of_jpeg(data):
    """Where the TIFF structure of a JPEG file begins, int32; 0 without one."""
    marker = b"\xff\xe1..Exif\x00\x00"
    pattern = tf.constant([-1 if byte == ord(".") else byte for byte in marker])
    head = _bytes(tf.strings.substr(data, 0, SEARCHED), len(marker))
    windows = tf.signal.frame(head, len(marker), 1)
    found = tf.reduce_all((windows == pattern) | (pattern < 0), axis=1)
    is_jpeg = (head[0] == 0xFF) & (head[1] == 0xD8)
    start = tf.argmax(found, output_type=tf.int32) + len(marker)
    return tf.where(is_jpeg & tf.reduce_any(found), start, 0)


def _of_png(data):
    """Where the TIFF structure of a PNG file begins, int32; 0 without one before the pixels."""
    length = tf.strings.length(data)

    def kind(place):
        return tf.strings.substr(data, tf.minimum(place + 4, length), 4)

    def goes_on(place):
        return (place + 12 <= length) & (kind(place) != b"eXIf") & (kind(place) != b"IDAT")

    def following(place):
        size = _bytes(tf.strings.substr(data, place, 4), 4)
        # A broken file may announce anything; the sum must not pass 2**31.
        size = tf.where(size[0] > 0, length, tf.reduce_sum(size * [0, 2**16, 2**8, 1]))
        return (tf.minimum(place + 12 + size, length),)

    begin = (tf.constant(8),)
    (place,) = tf.while_loop(goes_on, following, begin, maximum_iterations=CHUNKS)
    return tf.where(kind(place) == b"eXIf", place + 8, 0)


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
