"""The user's own images: splits, sizes, and what is refused or left out."""

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.data import examples, folder
from robust_tf.data.augment import Augment
from robust_tf.data.image_files import resize
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import images_of


def image(value, height=9, width=12, channels=3):
    return np.full([height, width, channels], value, np.uint8)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = tf.io.encode_png if path.suffix.lower() == ".png" else tf.io.encode_jpeg
    path.write_bytes(encode(pixels).numpy())


def fill(root, **counts):
    """Makes `counts` images per class; image i is filled with 10 * i."""
    for name, count in counts.items():
        for i in range(count):
            write(root / name / f"{i}.png", image(10 * i, height=5 + i))
    return root


def get(root, **settings):
    return data.open("folder", root, **settings).info


def load(root, split="train", limit=None, **settings):
    return data.open("folder", root, **settings).load(split, limit)


def values(loaded):
    return (loaded.images[:, 0, 0, 0] // 10).tolist()


def assert_refused(root, *words, action=get, **settings):
    with pytest.raises(UserError) as caught:
        action(root, **settings)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records]


def test_facts_come_from_the_folder(tmp_path):
    info = get(fill(tmp_path, cat=10, ape=5), image_size=32)
    assert (info.image_shape, info.class_names) == ((32, 32, 3), ("ape", "cat"))
    assert info.splits == {"train": 12, "test": 3}
    assert (info.augment, info.standardize) == (Augment(pad=2, flip=True), True)
    line = data.open("folder", tmp_path).describe()
    assert line == f"folder: train 12, test 3 images, from {tmp_path}"


def test_own_split_takes_a_fifth_of_each_class_and_every_image_once(tmp_path):
    fill(tmp_path, a=20, b=10, single=1)
    train, test = load(tmp_path), load(tmp_path, "test")
    assert np.bincount(test.labels).tolist() == [4, 2]
    assert np.bincount(train.labels).tolist() == [16, 8, 1]
    for label, count in enumerate((20, 10)):
        both = [v for e in (train, test) for v, y in zip(values(e), e.labels) if y == label]
        assert sorted(both) == list(range(count))
    assert train.labels[:4].tolist() == [0, 1, 2, 0]  # the classes in turn: a limit is balanced


def test_own_split_is_the_same_elsewhere_and_when_a_class_is_added(tmp_path):
    one, two = fill(tmp_path / "1", a=20), fill(tmp_path / "2", a=20, b=10)
    fill(one, c=4)
    first, second = (
        [v for v, y in zip(values(e), e.labels) if y == 0]
        for e in (load(one, "test"), load(two, "test"))
    )
    assert first == second
    assert sorted(first) != list(range(4))  # not simply the first files


def test_given_splits(tmp_path):
    fill(tmp_path / "train", a=3, b=2)
    fill(tmp_path / "test", a=1, b=2)
    assert get(tmp_path).splits == {"train": 5, "test": 3}
    assert load(tmp_path, "test").labels.tolist() == [0, 1, 1]


def test_given_splits_need_the_same_classes(tmp_path):
    fill(tmp_path / "train", a=3, b=2)
    fill(tmp_path / "test", a=1, b=1, c=1)
    assert_refused(tmp_path, "same classes", "only one of them has c")


def test_any_size_and_kind_is_resized(tmp_path):
    fill(tmp_path, b=2)
    ramp = np.arange(64, dtype=np.uint8).repeat(8).reshape(1, -1, 1).repeat(16, 0) * 4
    write(tmp_path / "a" / "x.JPG", image(80, 200, 100, channels=1))
    write(tmp_path / "a" / "y.png", np.concatenate([image(40), image(255, channels=1)], 2))  # RGBA
    write(tmp_path / "a" / "z.jpeg", ramp)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    info = get(tmp_path, image_size=16)
    assert sum(info.splits.values()) == 5
    parts = [load(tmp_path, split, image_size=16) for split in ("train", "test")]
    images = np.concatenate([e.images[e.labels == 0] for e in parts])
    assert images.shape == (3, 16, 16, 3) and images.dtype == np.uint8
    flat, alpha, slope = sorted(images.astype(int), key=lambda x: abs(x.mean() - 80) + np.ptp(x))
    assert np.abs(flat - 80).max() <= 1 and np.abs(alpha - 40).max() <= 1
    expected = ramp[0, :, 0].reshape(16, -1).mean(1)  # antialiased: every pixel is an average
    assert np.abs(slope[0, 1:-1, 0] - expected[1:-1]).max() <= 3


def test_large_sets_are_kept_encoded(tmp_path, monkeypatch):
    fill(tmp_path, a=3, b=3)
    decoded = load(tmp_path, image_size=8)
    monkeypatch.setattr(examples, "MAX_DECODED_BYTES", 100)
    encoded = load(tmp_path, image_size=8)
    assert encoded.images.dtype == object and encoded.image_shape == (8, 8, 3)
    # The header of zlib's stream names the fastest level.
    assert all(image[image.find(b"IDAT") + 5] >> 6 == 0 for image in encoded.images)
    np.testing.assert_array_equal(decoded.labels, encoded.labels)
    found = [images_of(e, slice(None)) for e in (decoded, encoded)]
    np.testing.assert_array_equal(*found)


def test_images_of_the_right_size_are_not_resized(tmp_path, monkeypatch):
    resized = []
    monkeypatch.setattr(folder, "resize", lambda *given: resized.append(given) or resize(*given))
    for name in "ab":
        for number, width in enumerate((64, 64, 65)):
            write(tmp_path / name / f"{number}.png", image(50 * number, 64, width))
    whole = data.open("folder", tmp_path)
    assert sum(len(whole.load(split)) for split in ("train", "test")) == 6
    assert [pixels.shape for pixels, _ in resized] == [(64, 65, 3)] * 2


def test_limit(tmp_path):
    assert load(fill(tmp_path, a=9, b=9), limit=3).labels.tolist() == [0, 1, 0]


def test_one_class_or_none(tmp_path):
    assert_refused(tmp_path, "has 0 subfolders with images", "at least two classes")
    assert_refused(fill(tmp_path, only=3), "has 1 subfolder with images")
    assert_refused(None, "--data_dir=DIR")
    assert_refused(tmp_path / "nowhere", "nowhere is not a folder")


@pytest.mark.parametrize("splits", [("",), ("train", "val")])
def test_a_folder_above_the_data_says_where_the_images_are(tmp_path, splits):
    for split in splits:
        fill(tmp_path / "photos" / split, a=2, b=2)
    count = 4 * len(splits)
    meant = f"did you mean --data_dir={tmp_path / 'photos'}?"
    assert_refused(tmp_path, f"not read: {count} images in deeper folders", meant)


def test_empty_classes_are_left_out_and_named_once(tmp_path, caplog):
    fill(tmp_path, a=3, c=3)
    (tmp_path / "b").mkdir()
    (tmp_path / ".cache").mkdir()
    dataset = data.open("folder", tmp_path)
    assert dataset.info.class_names == ("a", "c")
    assert set(dataset.load("train").labels) == {0, 1}
    dataset.load("test")
    assert warnings_of(caplog) == ["no training images of b: left out"]


@pytest.fixture
def damaged(tmp_path):
    """Five of ten images of a class cannot be decoded."""
    fill(tmp_path, a=10, b=10)
    for i in range(5):
        path = tmp_path / "a" / f"{i}.png"
        path.write_bytes(path.read_bytes()[: 20 * i])
    return tmp_path


def test_bad_images_fail_by_default_and_are_named(damaged):
    bad = [path for path, label in get(damaged).files["train"] if not label and int(path.stem) < 5]
    words = [f"{len(bad)} image files cannot be decoded", str(bad[0]), "--on_bad_image=skip"]
    assert_refused(damaged, *words, action=load)


def test_bad_images_are_skipped_on_request_and_counted(damaged, caplog):
    loaded = [load(damaged, split, on_bad_image="skip") for split in ("train", "test")]
    labels = np.concatenate([e.labels for e in loaded])
    assert np.bincount(labels).tolist() == [5, 10]
    kept = [v for e in loaded for v, label in zip(values(e), e.labels) if label == 0]
    assert sorted(kept) == list(range(5, 10))  # images and labels stay together
    counts = [int(m.split()[0]) for m in warnings_of(caplog) if "cannot be decoded" in m]
    assert sum(counts) == 5


def test_nothing_but_bad_images(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_text("text")
    assert_refused(tmp_path, "no images in its split 'train'", action=load, on_bad_image="skip")


def test_the_layout_of_tiny_imagenet_is_read(tmp_path):
    for name in ("n01", "n02"):
        fill(tmp_path / "train" / name, images=5)
    fill(tmp_path / "val", images=2)
    fill(tmp_path / "test", images=2)
    (tmp_path / "wnids.txt").write_text("n01\nn02\n")
    info = get(tmp_path)
    assert info.class_names == ("n01", "n02")
    assert info.splits == {"train": 8, "test": 2}
    assert values(load(tmp_path, image_size=5))
