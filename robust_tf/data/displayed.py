"""Image files as a viewer displays them: without transparency, in 8 bits, of bounded size."""

import io
import struct

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import BmpImagePlugin, GifImagePlugin, Image, PngImagePlugin

from robust_tf.data import image_header
from robust_tf.data.dataset_info import MAX_PIXELS
from robust_tf.data.exif import orientation, oriented
from robust_tf.data.image_files import UnreadableImage
from robust_tf.data.text_lines import first_of

DEPTHS = (12, 14, 16)  # bits of cameras and scanners whose values lie in 16-bit files
_PLUGINS = {
    b"\x89PNG": PngImagePlugin.PngImageFile,
    b"GIF8": GifImagePlugin.GifImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}


def displayed(data, max_pixels=MAX_PIXELS):
    """Returns the file itself, or a PNG of what a viewer displays where decoders show other pixels.

    Transparent pixels show a white background. A 16-bit PNG is scaled by the range of 12, 14 or 16
    bits that holds its values. A GIF shows its first image.

    Args:
        data: bytes of a JPEG, PNG, BMP or GIF file, or a simple WebP file.
        max_pixels: int; a file that announces more is not decoded.

    Raises:
        UnreadableImage: too many pixels, another format, or a broken file.
    """
    require_size(data, max_pixels)
    if sixteen_bit(data):
        return _encoded(_opaque_16_bit(data), data)
    if _is_png(data) and not _transparent(data):
        return data
    if plugin := _plugin(data):
        try:
            return _encoded(_opaque(plugin(io.BytesIO(data))), data)
        except Exception as error:  # Pillow raises about anything on broken files
            raise UnreadableImage from error
    return data


def require_size(data, max_pixels=MAX_PIXELS):
    """Raises `UnreadableImage` if the header of a file is broken or announces too many pixels."""
    height, width = _size(data)
    if height * width > max_pixels:
        raise UnreadableImage(f"has more pixels than --max_pixels={max_pixels}")


def sixteen_bit(data):
    """Returns whether a file is a PNG of 16 bits per channel."""
    return _is_png(data) and data[24:25] == b"\x10"


def say_sixteen_bit(paths):
    """Says in one line which files, a list of Path, were scaled as `displayed` does it."""
    if paths:
        logging.warning(
            "16 bits per channel, scaled by the range of 12, 14 or 16 bits that a file uses: %s",
            first_of(paths),
        )


def _size(data):
    try:
        if _is_png(data):
            width, height = struct.unpack(">II", data[16:24])
        elif data.startswith(b"\xff\xd8"):
            height, width = tf.image.extract_jpeg_shape(data).numpy()[:2].tolist()
        elif plugin := _plugin(data):
            width, height = plugin(io.BytesIO(data)).size
        else:
            height, width = image_header.size(tf.constant(data)).numpy().tolist()
    except Exception as error:  # see `displayed`
        raise UnreadableImage from error
    if not height * width:
        raise UnreadableImage
    return height, width


def _is_png(data):
    return data.startswith(b"\x89PNG\r\n\x1a\n")


def _plugin(data):
    """The class of Pillow that reads the format. `Image.open` would apply a limit of its own."""
    return next((plugin for magic, plugin in _PLUGINS.items() if data.startswith(magic)), None)


def _transparent(data):
    """Whether a PNG has an alpha channel or a transparent colour."""
    return data[25:26] in (b"\x04", b"\x06") or b"tRNS" in data[: data.find(b"IDAT")]


def _opaque(image):
    """Returns uint8 [h, w, c] of a Pillow image on white."""
    gray = image.mode in ("1", "L", "LA")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("L" if gray else "RGB"))


def _opaque_16_bit(data):
    try:
        with tf.device("cpu"):
            channels = tf.io.decode_png(data, 0, tf.uint16).numpy().astype(np.float32)
    except tf.errors.InvalidArgumentError as error:
        raise UnreadableImage from error
    alpha = 1.0
    if channels.shape[-1] in (2, 4):
        channels, alpha = channels[..., :-1], channels[..., -1:] / (2**16 - 1)
    top = next(2**bits - 1 for bits in DEPTHS if channels.max() < 2**bits)
    return np.round(255 * (channels / top * alpha + 1 - alpha)).astype(np.uint8)


def _encoded(pixels, data):
    """Returns a PNG of pixels that were stored in the file `data`, upright: it has no EXIF data."""
    with tf.device("cpu"):
        pixels = tf.constant(pixels if pixels.ndim == 3 else pixels[..., None])
        return tf.io.encode_png(oriented(pixels, orientation(data))).numpy()
