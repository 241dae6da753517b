"""Encoded images of a request: checked by their headers, decoded, and resized as in training."""

import tensorflow as tf

from robust_tf.data import image_files, image_header
from robust_tf.data.displayed import DEPTHS
from robust_tf.data.exif import orientation, oriented
from robust_tf.data.gallery_folder import resizes, target_size
from robust_tf.export.guard import after, guarded_strings, of_any_shape, require

# A photo of 48 megapixels passes; the decoded image takes 3 bytes per pixel.
MAX_PIXELS = 2**26
MAX_BYTES = 2**26
MAX_SCANS = 100  # of a JPEG file, each of which goes over all its pixels; encoders write about ten
PARALLEL = 4  # images decoded at the same time, which bounds the memory


def decoded_images(encoded, info):
    """Returns float32 [n, h, w, c] in [0, 1] of encoded images.

    A header that announces too many pixels is refused before anything is decoded. Images of another
    size are resized as in training; a data set that was never resized refuses them.

    Args:
        encoded: string tensor of any shape.
        info: `DatasetInfo` of the training.
    """

    def pixels(data):
        return _fitted(_decoded(_checked(data, info), info.image_shape[-1]), info)

    found = tf.map_fn(
        pixels,
        guarded_strings(encoded),
        fn_output_signature=tf.TensorSpec(info.image_shape, tf.uint8),
        parallel_iterations=PARALLEL,
    )
    return tf.cast(found, tf.float32) / 255.0


def _checked(data, info):
    """The same bytes, of a known format and within the limits."""
    length = tf.strings.length(data)
    text = f"encoded: want a file of {image_header.FORMATS}; got bytes:"
    # Clients decode the line of an error as UTF-8.
    begin = tf.strings.unicode_transcode(tf.strings.substr(data, 0, 8), "UTF-8", "UTF-8")
    data = after(require(image_header.known(data), text, length, "that begin with", begin), data)
    text = f"encoded: want at most {MAX_BYTES} bytes; got"
    data = after(require(length <= MAX_BYTES, text, length), data)
    size = image_header.size(data)
    right = tf.reduce_all(size > 0) & (size[0] <= MAX_PIXELS // tf.maximum(size[1], 1))
    text = f"encoded: want at most {MAX_PIXELS} pixels; the header says height and width"
    data = after(require(right, text, size), data)
    if not resizes(info):
        wanted = list(info.image_shape[:2])
        right = tf.reduce_all(tf.sort(size) == sorted(wanted))  # it may be turned
        data = after(require(right, _wanted(wanted), size), data)
    scans = image_header.scans(data)
    text = f"encoded: want at most {MAX_SCANS} scans in a JPEG file; got"
    return after(require(scans <= MAX_SCANS, text, scans), data)


def _decoded(data, channels):
    """uint8 [h, w, channels] as a viewer shows it, see `displayed`."""

    def plain():
        return image_files.decode_as_stored(data, channels)

    def on_white():
        # The largest sum fits 16 bits, which take half the memory of 32.
        found = tf.cast(tf.io.decode_png(data, 4), tf.uint16)
        pixels, alpha = tf.split(found, [3, 1], axis=-1)
        return of_channels((pixels * alpha + 255 * (255 - alpha) + 127) // 255)

    def of_sixteen_bits():
        found = tf.split(tf.io.decode_png(data, 4, tf.uint16), [3, 1], axis=-1)
        pixels, alpha = (tf.cast(part, tf.float32) for part in found)
        tops = tf.constant([2.0**bits - 1 for bits in (*DEPTHS, 16)])
        top = tf.reduce_min(tf.boolean_mask(tops, tf.reduce_max(pixels) <= tops))
        alpha /= 2**16 - 1
        return of_channels(tf.round(255 * (pixels / top * alpha + 1 - alpha)))

    def of_channels(pixels):
        pixels = tf.cast(pixels, tf.uint8)
        return pixels if channels == 3 else tf.image.rgb_to_grayscale(pixels)

    stored = tf.cond(
        image_header.sixteen_bit(data),
        of_sixteen_bits,
        lambda: tf.cond(image_header.transparent(data), on_white, plain),
    )
    return oriented(stored, orientation(data))


def _fitted(pixels, info):
    """Pixels uint8 [?, ?, c] at the size of the network's input, as `gallery_folder` has them."""
    pixels, wanted = of_any_shape(pixels), list(info.image_shape[:2])
    shape = tf.shape(pixels)[:2]
    same = tf.reduce_all(shape == wanted)
    if not resizes(info):
        pixels = after(require(same, _wanted(wanted), shape), pixels)
        return tf.ensure_shape(pixels, info.image_shape)

    def resized():
        target = target_size(info)
        image = image_files.resize(tf.ensure_shape(pixels, [None, None, None]), target)
        return image if list(target) == wanted else info.augment.centre(image[None])[0]

    return tf.ensure_shape(tf.cond(same, lambda: pixels, resized), info.image_shape)


def _wanted(sides):
    return f"encoded: want an image of height and width {sides}; got"
