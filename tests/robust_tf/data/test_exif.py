"""Orientation as Pillow finds and applies it."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from robust_tf.data.displayed import displayed
from robust_tf.data.exif import ORIENTATION, orientation, oriented
from robust_tf.data.folder import FolderInfo
from robust_tf.data.gallery_folder import read_single
from robust_tf.data.image_files import decoded
from robust_tf.export.encoded_images import decoded_images

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def shown(data):
    pixels = tf.io.decode_image(data, 3, expand_animations=False)
    return oriented(tf.ensure_shape(pixels, [None, None, 3]), orientation(data))


def jpeg(value, **more):
    exif = Image.Exif()
    for tag, text in ((0x010F, "maker"), (0x0110, "model"), (0x0132, "2026:01:01 00:00:00")):
        exif[tag] = text
    if value is not None:
        exif[ORIENTATION] = value
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", exif=exif, quality=95, **more)
    return file.getvalue()


@pytest.mark.parametrize("value", [None, *range(1, 9)])
def test_every_orientation_is_shown_as_pillow_shows_it(value):
    data = jpeg(value)
    assert int(orientation(tf.constant(data))) == (value or 1)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    found = shown(data).numpy()
    assert found.shape == expected.shape
    # Two decoders: they differ by rounding, a wrong turn of noise by a hundred levels.
    assert np.abs(found.astype(int) - expected).mean() < 2


def test_little_endian_and_a_jfif_segment_before():
    tiff = (
        b"II*\x00\x08\x00\x00\x00"
        + b"\x01\x00"
        + b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
    )
    plain = jpeg(None)
    exif = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    jfif = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    rest = plain[2:]
    while rest[1] in (0xE0, 0xE1):
        rest = rest[2 + int.from_bytes(rest[2:4], "big") :]
    data = b"\xff\xd8" + jfif + segment + rest
    assert int(orientation(tf.constant(data))) == 6
    assert shown(data).shape == (40, 24, 3)


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_broken_file_is_taken_as_it_is_stored(cut):
    assert 1 <= int(orientation(tf.constant(jpeg(6)[:cut]))) <= 8


def png(value, mode="RGB", **more):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "PNG", exif=exif, **more)
    return file.getvalue()


@pytest.mark.parametrize("value", range(1, 9))
def test_a_png_file_is_shown_as_pillow_shows_it(value):
    data = png(value, icc_profile=bytes(3000))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(shown(data), np.asarray(expected))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA"])
def test_png_files_of_every_kind_are_upright_in_a_folder_and_in_a_request(mode):
    data = png(6, mode)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    info = FolderInfo("folder", (40, 24, 3), ("one",), {}, "")
    np.testing.assert_array_equal(decoded(displayed(data), 3), np.asarray(expected))
    served = 255 * decoded_images(tf.constant([data]), info)[0].numpy()
    np.testing.assert_array_equal(served.round(), np.asarray(expected))


def test_png_files_of_16_bits_are_upright():
    deep = tf.io.encode_png(PIXELS.astype(np.uint16) * 257).numpy()
    source, end = png(6), 8 + 25  # the signature and the header
    start = source.index(b"eXIf") - 4
    chunk = source[start : start + 12 + int.from_bytes(source[start : start + 4], "big")]
    found = decoded(displayed(deep[:end] + chunk + deep[end:]), 3)
    np.testing.assert_array_equal(found, np.rot90(PIXELS, -1))


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_broken_png_file_is_taken_as_it_is_stored(cut):
    assert 1 <= int(orientation(tf.constant(png(6)[:cut]))) <= 8
    announced = png(6)[:8] + b"\xff\xff\xff\xff" + png(6)[12 : 12 + cut]
    assert int(orientation(tf.constant(announced))) == 1


def test_other_values_and_formats_have_none():
    plain = tf.io.encode_png(PIXELS).numpy()
    for data in (jpeg(0), jpeg(9), plain, b"", b"text", b"\xff\xd8\xff\xe1\x00\x08Exif\x00\x00"):
        assert int(orientation(tf.constant(data))) == 1


def test_a_folder_is_read_upright(tmp_path):
    (tmp_path / "turned.jpg").write_bytes(jpeg(6))
    info = FolderInfo("folder", (40, 24, 3), ("one",), {}, "")
    image, notice = read_single(tmp_path / "turned.jpg", info)
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "turned.jpg"))
    assert notice == "" and np.abs(255 * image - np.asarray(expected, int)).mean() < 2
