"""Decoding in batches: files of the right size as they are, others resized."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import progress_bar
from robust_tf.data import image_files
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import images_of


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, [height, width, 3]).astype(np.uint8)


def png(pixels):
    return tf.io.encode_png(pixels).numpy()


def test_files_of_the_right_size_are_not_touched():
    images = np.stack([noise(8, 6, seed) for seed in range(3)])
    files = np.array([png(image) for image in images], object)
    np.testing.assert_array_equal(image_files.decode(files, (8, 6, 3)), images)


@pytest.mark.parametrize("size", [(75, 50), (20, 61), (8, 8)])
def test_others_are_resized_as_by_tensorflow_and_pillow(size):
    pil_image = pytest.importorskip("PIL.Image")
    image = noise(*size)
    found = image_files.decode(np.array([png(image)], object), (32, 24, 3)).numpy()[0]
    expected = tf.image.resize(image, (32, 24), antialias=True)
    assert abs(found - expected.numpy()).max() <= 0.5 + 1e-4
    pillow = pil_image.fromarray(image).resize((24, 32), pil_image.BILINEAR)
    assert abs(found.astype(int) - np.asarray(pillow).astype(int)).max() <= 1


def test_gray_files_and_sizes_mixed_in_one_graph():
    gray = png(np.full([5, 7, 1], 90, np.uint8))
    decode = tf.function(lambda files: image_files.decode(files, (4, 4, 3)))
    images = decode(tf.constant([gray, png(noise(4, 4)), png(noise(9, 3))])).numpy()
    assert images.shape == (3, 4, 4, 3) and (images[0] == 90).all()
    np.testing.assert_array_equal(images[1], noise(4, 4))


def test_one_graph_decodes_all_batches_of_an_evaluation(monkeypatch):
    """Without a graph the operations of each image are called one by one."""
    traced, plain = [], image_files.decode
    monkeypatch.setattr(image_files, "decode", lambda *given: traced.append(given) or plain(*given))
    image_files.batch_decoder.cache_clear()
    pixels = np.stack([noise(8, 6, seed) for seed in range(3)])
    files = np.array([png(image) for image in pixels], object)
    encoded = Examples(files, np.zeros(3, np.int32), (8, 6, 3))
    for rows in ([0], [2, 1], slice(None)):
        found = images_of(encoded, rows).numpy()
        np.testing.assert_array_equal(found, pixels[rows] / np.float32(255))
    assert len(traced) == 1


def test_bad_files_are_named_up_to_three():
    def load(name):
        if name in "abcde":
            raise image_files.UnreadableImage(*["is no regular file"] * (name == "e"))
        return name.upper()

    message = (
        "^4 image files cannot be decoded: a, b, c and 1 more; 1 image file is no regular file"
    )
    with pytest.raises(UserError, match=message + ": e; mend"):
        image_files.read_all("abcde", load, "fail")
    assert image_files.read_all("xy", load, "fail") == ([0, 1], ["X", "Y"])
    assert image_files.read_all("axey", load, "skip") == ([1, 3], ["X", "Y"])


def test_many_files_are_read_part_by_part_under_a_bar(monkeypatch, capsys):
    """A waiting image takes more than a kilobyte, however small its file is."""
    parts, plain = [], concurrent.futures.ThreadPoolExecutor.map

    def counted(self, function, items):
        parts.append(len(items))
        return plain(self, function, items)

    monkeypatch.setattr(concurrent.futures.ThreadPoolExecutor, "map", counted)
    monkeypatch.setattr(progress_bar, "SOON", 1e-9)
    numbers = list(range(2 * image_files.WAITING + 1))
    assert image_files.read_all(numbers, str, "fail") == (numbers, list(map(str, numbers)))
    assert parts == [image_files.WAITING, image_files.WAITING, 1]
    assert "reading images" in capsys.readouterr().err
