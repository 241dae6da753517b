"""A user's images: in order of their names, as the network was trained on images, or refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from robust_tf.data import gallery_folder
from robust_tf.data.augment import ResizedCrop
from robust_tf.data.dataset_info import DatasetInfo, FileSettings
from robust_tf.data.folder import FolderInfo
from robust_tf.data.image_files import resize
from robust_tf.errors import UserError

FIXED = DatasetInfo("digits", (8, 8, 1), ("0", "1"), {}, "")
PHOTOS = DatasetInfo("cub200", (28, 28, 3), ("1", "2"), {}, "", augment=ResizedCrop(28))
FOLDER = FolderInfo("folder", (8, 8, 3), ("a", "b"), {}, "")


def pixels(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(image).numpy())
    return path


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path):
    for name in ("b/1.png", "a/2.PNG", "a/1.jpg", ".hidden/1.png", "empty/notes.txt"):
        write(tmp_path / name, pixels(8, 8))
    found = gallery_folder.scan(tmp_path)
    assert [path.name for path in found.paths] == ["1.jpg", "2.PNG", "1.png"]
    assert found.labels.tolist() == [0, 0, 1] and found.class_names == ("a", "b")
    assert found.class_of(2) == "b"


def test_a_flat_folder_has_no_classes(tmp_path):
    write(tmp_path / "2.png", pixels(8, 8))
    write(tmp_path / "1.png", pixels(8, 8))
    found = gallery_folder.scan(tmp_path)
    assert [path.name for path in found.paths] == ["1.png", "2.png"]
    assert found.labels is None and found.class_of(0) == ""


def test_folders_that_are_no_gallery(tmp_path):
    for missing in (tmp_path / "nowhere", "~no-such-user/photos"):  # of no home
        with pytest.raises(UserError, match="is not a folder"):
            gallery_folder.scan(missing)
    with pytest.raises(UserError, match="has no images"):
        gallery_folder.scan(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"; not read: 1 file of other kinds \(.txt 1\)$"):
        gallery_folder.scan(tmp_path)
    write(tmp_path / "a/1.png", pixels(8, 8))
    write(tmp_path / "1.png", pixels(8, 8))
    with pytest.raises(UserError, match="images beside subfolders"):
        gallery_folder.scan(tmp_path)


@pytest.mark.parametrize("above", ["animals", "photos/animals"])
def test_a_folder_above_the_gallery_says_where_the_images_are(tmp_path, above):
    for name in ("cats/1.png", "dogs/2.png", "dogs/3.png"):
        write(tmp_path / above / name, pixels(8, 8))
    said = f"3 images in deeper folders .*; did you mean --gallery={tmp_path / above}[?]$"
    with pytest.raises(UserError, match=said):
        gallery_folder.scan(tmp_path)
    assert gallery_folder.scan(tmp_path / above).class_names == ("cats", "dogs")


def test_undecodable_files_are_refused_or_left_out(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        write(tmp_path / name, pixels(8, 8, 1))
    (tmp_path / "a/0.png").write_bytes(b"no image")
    found = gallery_folder.scan(tmp_path)
    with pytest.raises(UserError, match="--on_bad_image=skip"):
        gallery_folder.read(found, FIXED)
    left, examples = gallery_folder.read(found, FIXED, "skip")
    assert [path.name for path in left.paths] == ["1.png", "2.png"]
    assert left.labels.tolist() == examples.labels.tolist() == [0, 1]
    (tmp_path / "c").mkdir()
    (tmp_path / "c/0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="none of the gallery's images"):
        gallery_folder.read(gallery_folder.scan(tmp_path / "c"), FIXED, "skip")


def test_sizes_that_training_never_saw_are_refused(tmp_path):
    write(tmp_path / "1.png", pixels(8, 8, 1))
    path = write(tmp_path / "2.png", pixels(9, 7, 1))
    message = r"images of digits are 8x8 .* another size: .*2.png \(7x9\)"
    with pytest.raises(UserError, match=message):
        gallery_folder.read(gallery_folder.scan(tmp_path), FIXED)
    with pytest.raises(UserError, match=message):
        gallery_folder.read_single(path, FIXED)


def test_photos_are_resized_as_in_training(tmp_path):
    image = pixels(20, 30)
    path = write(tmp_path / "1.png", image)
    found, notice = gallery_folder.read_single(path, FOLDER)
    np.testing.assert_array_equal(found, resize(image, (8, 8, 3)).numpy() / np.float32(255))
    assert notice == "1.png is 30x20: resized to 8x8"
    _, examples = gallery_folder.read(gallery_folder.scan(tmp_path), FOLDER)
    np.testing.assert_array_equal(gallery_folder.pixels_of(examples, 0), found)


def test_windows_are_cut_from_the_middle(tmp_path):
    image = pixels(40, 50)
    found, notice = gallery_folder.read_single(write(tmp_path / "1.png", image), PHOTOS)
    whole = resize(image, (32, 32, 3)).numpy()
    np.testing.assert_array_equal(found, whole[2:30, 2:30] / np.float32(255))
    assert "resized to 32x32 and cut to its middle 28x28" in notice


def test_an_image_of_the_networks_size_is_taken_as_it_is(tmp_path):
    for info in (FIXED, PHOTOS, FOLDER):
        image = pixels(*info.image_shape)
        found, notice = gallery_folder.read_single(write(tmp_path / "1.png", image), info)
        np.testing.assert_array_equal(found, image / np.float32(255))
        assert notice == ""


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_gallery_shows_every_file_as_a_query_of_it_is_seen(suffix, tmp_path):
    """Of the size of the window, of the size that it is cut from, and of another one."""
    encode = tf.io.encode_png if suffix == ".png" else tf.io.encode_jpeg
    for name, (height, width) in {"a": (28, 28), "b": (32, 32), "c": (40, 50)}.items():
        image = pixels(height, width)
        (tmp_path / f"{name}{suffix}").write_bytes(encode(image).numpy())
    files, examples = gallery_folder.read(gallery_folder.scan(tmp_path), PHOTOS)
    for row, path in enumerate(files.paths):
        alone, _ = gallery_folder.read_single(path, PHOTOS)
        np.testing.assert_array_equal(gallery_folder.pixels_of(examples, row), alone)


def test_single_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="--query=.*nowhere.png is no regular file"):
        gallery_folder.read_single(tmp_path / "nowhere.png", FIXED)
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="--query=.*cannot be decoded"):
        gallery_folder.read_single(tmp_path / "1.png", FIXED)


def test_the_limit_of_pixels_is_of_the_training_or_given(tmp_path):
    path = write(tmp_path / "1.png", pixels(8, 8))
    found = gallery_folder.scan(tmp_path)
    trained = dataclasses.replace(FOLDER, settings=FileSettings(max_pixels=63))
    for info, limit in ((FOLDER, 63), (trained, None)):
        with pytest.raises(UserError, match="has more pixels than --max_pixels=63"):
            gallery_folder.read(found, info, max_pixels=limit)
        with pytest.raises(UserError, match="--query=.* has more pixels than --max_pixels=63"):
            gallery_folder.read_single(path, info, limit)
    assert len(gallery_folder.read(found, trained, max_pixels=64)[1]) == 1


def test_files_of_16_bits_are_named_in_one_line(tmp_path, caplog):
    path = write(tmp_path / "deep.png", pixels(8, 8).astype(np.uint16) * 257)
    write(tmp_path / "plain.png", pixels(8, 8))
    gallery_folder.read(gallery_folder.scan(tmp_path), FOLDER)
    gallery_folder.read_single(path, FOLDER)
    lines = [line for line in caplog.messages if "16 bits" in line]
    assert len(lines) == 2 and all(line.endswith(f": {path}") for line in lines)
