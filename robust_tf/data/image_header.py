"""Height and width of an encoded image, in graph operations, from its header alone."""

import tensorflow as tf

# TensorFlow 2.18 has no decoder for it.
READS_WEBP = hasattr(tf.io, "decode_webp")
FORMATS = "JPEG or PNG"
if READS_WEBP:
    FORMATS = "JPEG, PNG or WebP (without animation, metadata or alpha)"


def known(data):
    """Returns whether an encoded image is of a format that `size` and the decoder read, bool.

    WebP is read in its simple form only. The decoder of TensorFlow 2.21 writes past the end of its
    memory for an animation, which needs the extended form (VP8X).

    Args:
        data: string scalar.
    """
    head = _head(data)
    return _is_jpeg(head) | _is_png(head) | (READS_WEBP & _is_webp(head))


def transparent(data):
    """Returns whether an encoded image is a PNG file with an alpha channel or a palette, bool.

    The colours of a palette may be transparent.
    """
    head = _head(data)
    return _is_png(head) & tf.reduce_any(head[25] == [3, 4, 6])


def sixteen_bit(data):
    """Returns whether an encoded image is a PNG file of 16 bits per channel, bool."""
    head = _head(data)
    return _is_png(head) & (head[24] == 16)


def colours_only(data):
    """Returns whether the decoder gives an encoded image no single channel, bool: WebP, CMYK."""
    head = _head(data)

    def of_cmyk():
        return tf.image.extract_jpeg_shape(data)[2] == 4

    return tf.cond(_is_jpeg(head), of_cmyk, lambda: _is_webp(head))


def size(data):
    """Returns int64 [2], height and width, of an encoded image; [0, 0] where it is not `known`.

    Raises:
        InvalidArgumentError: a JPEG file without a readable header.
    """
    head = _head(data)

    def of_jpeg():
        return tf.cast(tf.image.extract_jpeg_shape(data)[:2], tf.int64)

    def of_png():
        powers = tf.constant([256**3, 256**2, 256, 1], tf.int64)
        return tf.reduce_sum(tf.stack([head[20:24], head[16:20]]) * powers, axis=1)

    def of_webp():
        lossy = tf.stack([head[28] + 256 * head[29], head[26] + 256 * head[27]]) % 2**14
        bits = tf.reduce_sum(head[21:25] * tf.constant([1, 256, 256**2, 256**3], tf.int64))
        lossless = tf.stack([bits // 2**14, bits]) % 2**14 + 1
        return tf.where(head[15] == ord("L"), lossless, lossy)

    cases = [(_is_jpeg(head), of_jpeg), (_is_png(head), of_png), (_is_webp(head), of_webp)]
    return tf.case(cases, default=lambda: tf.zeros([2], tf.int64))


def scans(data):
    """Returns the number of scans of an encoded image, int64; 0 where it is no JPEG file."""

    def of_jpeg():
        # Within a scan no such pair of bytes occurs.
        found = tf.io.decode_raw(data, tf.uint8)
        return tf.math.count_nonzero((found[:-1] == 0xFF) & (found[1:] == 0xDA))

    return tf.cond(_is_jpeg(_head(data)), of_jpeg, lambda: tf.constant(0, tf.int64))


def _head(data):
    """The first 32 bytes, int64 [32]; zeros behind the end."""
    found = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, 32), tf.uint8), tf.int64)
    return tf.ensure_shape(tf.pad(found, [[0, 32 - tf.size(found)]]), [32])


def _is_jpeg(head):
    return _has(head, 0, b"\xff\xd8\xff")


def _is_png(head):
    return _has(head, 0, b"\x89PNG\r\n\x1a\n") & _has(head, 12, b"IHDR")


def _is_webp(head):
    simple = _has(head, 12, b"VP8 ") | _has(head, 12, b"VP8L")
    return _has(head, 0, b"RIFF") & _has(head, 8, b"WEBP") & simple


def _has(head, start, text):
    wanted = tf.constant(list(text), tf.int64)
    return tf.reduce_all(head[start : start + len(text)] == wanted)
