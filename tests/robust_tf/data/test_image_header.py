"""The size of an image without decoding it."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from robust_tf.data.image_header import READS_WEBP, known, size

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 300, 3), np.uint8)


def encoded(kind, pixels=PIXELS, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


ANIMATION = {"save_all": True, "append_images": [Image.fromarray(PIXELS[::-1])]}
KNOWN = {
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "png": encoded("PNG"),
    "lossy webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True),
}
# The decoder of TensorFlow 2.21 ends the process at an animation.
UNKNOWN = {
    "animated webp": encoded("WEBP", **ANIMATION),
    "gif": encoded("GIF"),
    "bmp": encoded("BMP"),
    "nothing": b"",
    "text": b"not an image, however long the text may be",
    "begin of a png": KNOWN["png"][:10],
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_size_is_that_of_the_decoded_image(name):
    assert known(tf.constant(KNOWN[name])) == (READS_WEBP or "webp" not in name)
    assert size(tf.constant(KNOWN[name])).numpy().tolist() == [24, 300]


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_bytes_are_not_known(name):
    assert not known(tf.constant(UNKNOWN[name]))
    assert size(tf.constant(UNKNOWN[name])).numpy().tolist() == [0, 0]


def test_a_png_of_any_size_it_can_announce():
    for height, width in ((30_000, 30_000), (2**31 - 1, 1), (2**32 - 1, 2**32 - 1)):
        data = KNOWN["png"][:16] + struct.pack(">II", width, height) + KNOWN["png"][24:]
        assert size(tf.constant(data)).numpy().tolist() == [height, width]
