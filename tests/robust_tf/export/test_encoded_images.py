"""Encoded images at an endpoint: the same pixels as elsewhere, or one line."""

import dataclasses
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from robust_tf.data import image_files
from robust_tf.data.augment import ResizedCrop
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.gallery_folder import read_single
from robust_tf.data.image_header import FORMATS, READS_WEBP
from robust_tf.export import encoded_images
from robust_tf.export.encoded_images import decoded_images

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
ROUNDING = 1e-7  # the optimiser multiplies by 1 / 255 instead of dividing
FIXED = DatasetInfo("toy", (60, 90, 3), ("one",), {}, "")
PHOTOS = dataclasses.replace(FIXED, image_shape=(28, 28, 3), augment=ResizedCrop(28))


def encoded(kind="PNG", pixels=PIXELS, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def decode():
    """As an endpoint compiles it, of images of one size."""
    signature = [tf.TensorSpec(None, tf.string)]
    return tf.function(lambda files: decoded_images(files, FIXED), signature, autograph=False)


def test_a_png_gives_its_pixels_and_a_gray_one_too(decode):
    gray = PIXELS[..., 0]
    found = decode(tf.constant([encoded(), encoded(pixels=gray)])).numpy()
    expected = np.stack([PIXELS, np.repeat(gray[..., None], 3, axis=2)])
    np.testing.assert_allclose(found, expected.astype(np.float32) / 255, atol=ROUNDING)


def test_photos_are_seen_as_those_of_a_gallery(tmp_path):
    files = {"wide.jpg": PIXELS, "network.png": PIXELS[:28, :28], "resized.png": PIXELS[:32, :32]}
    for name, pixels in files.items():
        Image.fromarray(pixels).save(tmp_path / name)
    # Colours by number, some of them transparent; a camera of 12 bits.
    palette = Image.fromarray(PIXELS).quantize(64)
    palette.save(tmp_path / "palette.png", transparency=bytes(range(0, 256, 4)))
    Image.fromarray(16 * PIXELS[..., 0].astype(np.uint16)).save(tmp_path / "deep.png")
    paths = sorted(tmp_path.iterdir())
    data = tf.constant([path.read_bytes() for path in paths])
    found = tf.function(lambda files: decoded_images(files, PHOTOS), autograph=False)(data)
    expected = [read_single(path, PHOTOS)[0] for path in paths]
    level = [[[[1.01 / 255 if path.stem in ("palette", "deep") else ROUNDING]]] for path in paths]
    assert np.all(np.abs(found - expected) < level)


def test_orientation_is_applied_before_the_size_is_checked(decode):
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = np.stack(np.meshgrid(np.arange(90), np.arange(60)), axis=-1).astype(np.uint8)
    smooth = np.concatenate([2 * smooth, smooth[..., :1]], axis=-1)
    turned = encoded("JPEG", np.rot90(smooth).copy(), exif=exif, quality=95)
    found = decode(tf.constant([turned])).numpy()[0]
    assert np.abs(255 * found - smooth).max() < 10


def test_a_transparent_png_lies_on_white(decode):
    alpha = np.random.default_rng(1).integers(0, 256, (60, 90, 1), np.uint8)
    rgba = np.concatenate([PIXELS, alpha], axis=-1)
    found = decode(tf.constant([encoded(pixels=rgba)])).numpy()[0]
    expected = (PIXELS * (alpha / 255) + 255 - alpha) / 255
    np.testing.assert_allclose(found, expected, atol=0.51 / 255)


def test_a_network_for_gray_images_takes_files_too(monkeypatch):
    asked = []
    for module in (encoded_images, image_files):
        monkeypatch.setattr(
            module, "orientation", lambda data: asked.append(data) or tf.constant(1)
        )
    info = DatasetInfo("gray", (60, 90, 1), ("one",), {}, "")
    gray, alpha = PIXELS[..., 0], PIXELS[..., 1]
    files = [encoded(pixels=gray), encoded(pixels=np.stack([gray, alpha], axis=-1))]
    found = tf.function(lambda data: decoded_images(data, info), autograph=False)(
        tf.constant(files)
    )
    on_white = (gray * (alpha / 255) + 255 - alpha) / 255
    np.testing.assert_allclose(found[..., 0], [gray / 255, on_white], atol=0.51 / 255)
    assert len(asked) == 1  # whatever the kind of file: it is much of the graph


@pytest.mark.parametrize("webp", [False, True] if READS_WEBP else [False])
def test_files_that_decode_to_colours_alone_become_gray(webp):
    info = DatasetInfo("gray", (60, 90, 1), ("one",), {}, "")
    smooth = np.add.outer(np.arange(60), np.arange(90)).astype(np.uint8)
    colours = np.stack([smooth, smooth, smooth], axis=-1)
    cmyk = io.BytesIO()
    Image.fromarray(colours).convert("CMYK").save(cmyk, "JPEG", quality=95)
    files = [cmyk.getvalue(), encoded("JPEG", colours, quality=95)]
    if webp:
        files = [encoded("WEBP", colours, quality=95), encoded("WEBP", colours, lossless=True)]
    decode = tf.function(lambda data: decoded_images(data, info), autograph=False)
    found = decode(tf.constant(files))
    assert np.abs(255 * found.numpy()[..., 0] - smooth).max() < 4


def with_size(width, height):
    return encoded()[:16] + struct.pack(">II", width, height) + encoded()[24:]


def many_scans(count):
    """A JPEG file whose last scan is repeated."""
    file = encoded("JPEG", progressive=True)
    last = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + (count - file.count(b"\xff\xda")) * last + file[-2:]


REFUSED = {
    "nothing": (b"", "got bytes:"),
    "text": (b"hello, this is no image", "that begin with"),
    "bytes that are no UTF-8": (b"RIFF\xae\xff\0\n" + bytes(range(256)), "that begin with"),
    "a gif": (encoded("GIF"), FORMATS),
    "an animation": (
        encoded("WEBP", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])]),
        FORMATS,
    ),
    "a webp with a colour profile": (
        encoded("WEBP", icc_profile=bytes(200)),
        FORMATS,
    ),
    "a huge png": (with_size(30_000, 30_000), "the header says height and width"),
    "an overflowing png": (with_size(2**31 - 1, 2**31 - 1), "the header says"),
    "a png without pixels": (with_size(0, 60), "the header says"),
    "a truncated png": (encoded()[:-500], "Invalid PNG data"),
    "a truncated jpeg": (encoded("JPEG")[:-300], "Invalid JPEG data"),
    "the head of a jpeg": (encoded("JPEG")[:20], "Invalid JPEG data"),
    **({} if READS_WEBP else {"a webp": (encoded("WEBP"), FORMATS)}),
    "a jpeg of many scans": (many_scans(101), "at most 100 scans in a JPEG file; got] [101]"),
    "a huge png that the network does not resize": (
        with_size(8192, 8192),
        "want an image of height and width [60, 90]; got] [8192 8192]",
    ),
    "another size": (encoded(pixels=PIXELS[:50]), "want an image of height and width [60, 90]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_image_is_refused(decode, name):
    data, said = REFUSED[name]
    for batch in ([data], [encoded(), data]):
        with pytest.raises(tf.errors.InvalidArgumentError) as refusal:
            decode(tf.constant(batch))
        assert said in str(refusal.value)


@pytest.mark.parametrize("batch", [b"one file", [[b"rank 2"]], []], ids=str)
def test_another_shape_is_refused(decode, batch):
    with pytest.raises(tf.errors.InvalidArgumentError, match="want string .n. with n at least 1"):
        decode(tf.constant(batch, tf.string))
