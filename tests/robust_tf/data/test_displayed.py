"""Files whose decoders show other pixels than a viewer does."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from robust_tf.data.displayed import displayed, require_size, sixteen_bit
from robust_tf.data.image_files import UnreadableImage, decoded

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (6, 4, 3)).astype(np.uint8)
ALPHA = np.repeat(np.array([0, 0, 128, 255], np.uint8)[None], 6, 0)[..., None]


def file(image, kind="PNG", **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def shown(data, channels=3):
    return decoded(displayed(data), channels).numpy()


def on_white(colours, alpha):
    alpha = alpha / 255
    return colours * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize(
    "data",
    [
        file(Image.fromarray(COLOURS)),
        file(Image.fromarray(COLOURS[..., 0])),
        file(Image.fromarray(COLOURS).convert("P")),
        file(Image.fromarray(COLOURS[..., 0] > 99)),
        file(Image.fromarray(COLOURS), "JPEG"),
        file(Image.fromarray(COLOURS).convert("CMYK"), "JPEG"),
        file(Image.fromarray(COLOURS), "JPEG", progressive=True),
        file(Image.fromarray(COLOURS), "WEBP"),
    ],
    ids=["rgb", "gray", "palette", "one bit", "jpeg", "cmyk", "progressive", "webp"],
)
def test_ordinary_files_stay_as_they_are(data):
    assert displayed(data) is data


def test_transparency_shows_white():
    data = file(Image.fromarray(np.concatenate([COLOURS, ALPHA], 2)))
    assert np.abs(shown(data) - on_white(COLOURS, ALPHA)).max() <= 1
    assert (shown(data)[:, :2] == 255).all() and (shown(data)[:, 3] == COLOURS[:, 3]).all()


def test_transparency_of_gray_shows_white():
    data = file(Image.fromarray(np.concatenate([COLOURS[..., :1], ALPHA], 2)))
    assert np.abs(shown(data, 1) - on_white(COLOURS[..., :1], ALPHA)).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_shows_white(kind):
    image = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    expected = [[[255] * 3, [0, 200, 0]], [[0, 0, 200], [255] * 3]]
    np.testing.assert_array_equal(shown(file(image, kind, transparency=0)), expected)


@pytest.mark.parametrize("kind", ["BMP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_formats(kind, mode, channels):
    image = Image.fromarray(COLOURS).convert(mode)
    opened = Image.open(io.BytesIO(file(image, kind)))
    expected = np.asarray(opened.convert("RGB" if channels == 3 else "L"))
    found = shown(file(image, kind), channels)
    assert np.abs(found.reshape(expected.shape).astype(int) - expected).max() <= 1


def test_of_an_animation_the_first_image_is_shown():
    frames = [Image.fromarray(np.full([4, 4, 3], value, np.uint8)) for value in (10, 200)]
    data = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (shown(data) == 10).all()


@pytest.mark.parametrize("bits", [12, 14, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_scaled_by_the_range_they_use(bits, channels):
    levels = RANDOM.integers(0, 2**bits, (5, 7, channels)).astype(np.uint16)
    levels[0, 0] = 2**bits - 1
    expected = levels / (2**bits - 1)
    if channels in (2, 4):
        levels[..., -1:] = RANDOM.integers(0, 2**16, (5, 7, 1))
        alpha = levels[..., -1:] / (2**16 - 1)
        expected = expected[..., :-1] * alpha + 1 - alpha
    data = tf.io.encode_png(levels).numpy()
    assert sixteen_bit(data) and not sixteen_bit(file(Image.fromarray(COLOURS)))
    found = shown(data)
    assert np.abs(found - 255 * np.broadcast_to(expected, found.shape)).max() <= 0.501


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def bomb(side):
    """A small PNG file of side x side pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes(side // 8 + 1) * side, 9)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_pixels_are_counted_before_anything_is_decoded(monkeypatch):
    data = bomb(16_384)
    assert len(data) < 100_000
    monkeypatch.setattr(tf.io, "decode_png", None)
    with pytest.raises(UnreadableImage, match="has more pixels than --max_pixels=100000000"):
        displayed(data)
    require_size(data, 16_384**2)
    for kind in ("JPEG", "GIF", "BMP", "WEBP"):
        data = file(Image.fromarray(COLOURS), kind)
        require_size(data, 24)
        with pytest.raises(UnreadableImage, match="--max_pixels=23"):
            require_size(data, 23)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_broken_files_are_unreadable_at_every_length(kind):
    whole = file(
        Image.fromarray(np.concatenate([COLOURS, ALPHA], 2))
        if kind == "PNG"
        else Image.fromarray(COLOURS),
        kind,
    )
    for length in range(len(whole) // 2):
        with pytest.raises(UnreadableImage, match="cannot be decoded"):
            decoded(displayed(whole[:length]), 3)
