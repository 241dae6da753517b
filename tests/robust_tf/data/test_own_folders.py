"""Folders as people make them: nothing is lost without a word, nothing ends in a traceback."""

import collections
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.data.class_folders import LeftOut, in_turn
from robust_tf.errors import RunError, UserError

PNG = tf.io.encode_png(np.full([8, 8, 3], 70, np.uint8)).numpy()
BMP = (
    b"BM"
    + (54 + 12).to_bytes(4, "little")
    + bytes(4)
    + (54).to_bytes(4, "little")
    + (b"".join(n.to_bytes(4, "little") for n in (40, 2, 2, 1 + (24 << 16), 0, 12, 0, 0, 0, 0)))
    + bytes([10, 20, 30] * 2 + [0, 0] + [10, 20, 30] * 2 + [0, 0])
)
JPEG = tf.io.encode_jpeg(np.full([8, 8, 3], 70, np.uint8)).numpy()


def put(root, *names, content=PNG):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def two(tmp_path):
    """Two classes of five images."""
    return put(tmp_path, *(f"{name}/i{k}.png" for name in "ab" for k in range(5)))


def said(caplog, root, **settings):
    """The lines of reading both splits of a folder, and the number of images."""
    caplog.clear()
    dataset = data.open("folder", root, **settings)
    count = sum(len(dataset.load(split)) for split in ("train", "test"))
    return [record.getMessage() for record in caplog.records], count


def test_a_plain_folder_says_nothing(two, caplog):
    put(two, "README.md", "a/.DS_Store", "b/Thumbs.db")
    assert said(caplog, two) == ([], 10)


def test_other_kinds_of_files_are_counted_and_said(two, caplog):
    put(two, "a/1.JPE", "a/2.jfif", "b/3.Jpeg", content=JPEG)
    put(two, "a/4.bmp", content=BMP)
    put(two, "a/1.tif", "a/2.tif", "b/1.webp", "b/LICENSE")
    lines, count = said(caplog, two)
    assert count == 14
    kinds = "4 files of other kinds (.tif 2, .webp 1, no suffix 1)"
    assert lines == [f"{two}: not read: {kinds}"]


def test_deeper_images_and_images_beside_folders_are_counted_and_said(two, caplog):
    put(two, "a/images/1.png", "a/images/2.png", "b/2024/may/1.png", "b/2025/1.png", "loose.png")
    put(two, "c/images/1.png", "c/images/2.png", "c/images/deep/3.png", "c/notes.txt")
    lines, count = said(caplog, two)
    assert count == 12 and len(lines) == 1
    assert "1 file of other kinds (.txt 1)" in lines[0]
    assert "5 images in deeper folders (a/images, b/2024, b/2025)" in lines[0]
    assert "1 image beside the folders of classes" in lines[0]


def test_what_macos_adds_is_ignored(two, caplog):
    put(two, "__MACOSX/._a.png", "__MACOSX/a/1.png", "a/._i1.png", "b/._i2.png", content=b"\0\5")
    put(two, "a/.trashed-1790000000-i3.png", ".thumbnails/i4.png")  # of other systems
    assert said(caplog, two) == ([], 10)
    assert data.open("folder", two).info.class_names == ("a", "b")


def test_each_folder_is_listed_once_and_plain_files_cost_no_question(two, monkeypatch):
    """On a network each of these calls waits for the server."""
    calls = collections.Counter()

    def counted(name):
        plain = getattr(os, name)

        def call(*args, **kwargs):
            calls[name] += 1
            return plain(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in ("scandir", "listdir", "stat"):
        counted(name)
    data.open("folder", two)
    before = calls.copy()
    assert before["scandir"] + before["listdir"] == 3
    put(two, *(f"{name}/j{k}.png" for name in "ab" for k in range(20)), "a/notes.txt")
    calls.clear()
    data.open("folder", two)
    assert calls == before


def bad_images(root):
    """Six kinds of what is named like an image and is none; the pipe would block a reader."""
    (root / "a/zz.png").symlink_to("/nonexistent/x.png")
    (root / "a/z.png").mkdir()
    os.mkfifo(root / "b/z.png")
    put(root, "b/empty.png", content=b"")
    put(root, "b/text.gif", content=b"GIF89a and text")
    put(root, "b/text.bmp", content=b"BM and text")


def test_what_is_no_file_is_a_bad_image(two, caplog):
    bad_images(two)
    lines, count = said(caplog, two, on_bad_image="skip")
    assert count == 10
    assert sum("3 image files are no regular file" in line for line in lines) <= 1
    found = [int(word) for line in lines for word in line.split() if word.isdigit()]
    assert sum(found) == 6
    with pytest.raises(UserError, match="--on_bad_image=skip"):
        said(caplog, two)
    assert data.open("folder", two).info.identity["checksum"]


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_a_bad_image(two, caplog):
    (two / "a/i1.png").chmod(0)
    lines, count = said(caplog, two, on_bad_image="skip")
    assert count == 9 and "1 image file cannot be opened" in lines[0]


def test_a_file_that_fails_on_opening_is_a_bad_image(two, caplog, monkeypatch):
    whole = pathlib.Path.read_bytes

    def fails(path):
        if path.name == "i1.png":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", fails)
    lines, count = said(caplog, two, on_bad_image="skip")
    assert count == 8 and any("cannot be opened" in line for line in lines)


def test_a_file_system_that_fails_leaves_no_image_out(two, monkeypatch):
    """The batches of a resumed run would be others, without a word."""

    def fails(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pathlib.Path, "read_bytes", fails)
    with pytest.raises(RunError, match="png cannot be read now: Input/output error"):
        data.open("folder", two, on_bad_image="skip").load("train")


def test_a_class_that_loses_all_images_stops_a_classifier(two):
    put(two, *(f"c/{k}.png" for k in range(5)), content=b"")
    dataset = data.open("folder", two, on_bad_image="skip")
    with pytest.raises(UserError, match="no training image can be read of c; mend"):
        dataset.load("train", every_class=True)
    assert set(dataset.load("train").labels) == {0, 1}  # enough for metric learning
    assert len(dataset.load("train", 2, every_class=True)) == 2  # the limit does not reach c


def test_names_that_are_not_utf_8(two, capsys, caplog):
    root = os.fsencode(two)
    os.mkdir(root + b"/caf\xe9")
    for name in (b"a/\xff.png", b"caf\xe9/1.png", b"caf\xe9/\xe9.png"):
        pathlib.Path(os.fsdecode(root + b"/" + name)).write_bytes(PNG)
    dataset = data.open("folder", two)
    assert dataset.info.class_names == ("a", "b", r"caf\xe9")
    lines, count = said(caplog, two)
    assert (lines, count) == ([], 13)
    print(dataset.info.class_names, dataset.describe())
    pathlib.Path(os.fsdecode(root + b"/caf\xe9/\xfe.png")).write_bytes(b"")
    with pytest.raises(UserError) as refused:
        said(caplog, two)
    str(refused.value).encode()  # can be printed
    assert r"caf\xe9/\xfe.png" in str(refused.value)


def test_names_with_line_breaks_commas_and_escapes(two):
    put(two, "c\nd, e/\x1b[31m\n.png", content=b"")
    dataset = data.open("folder", two)
    assert dataset.info.class_names == ("a", "b", r"c\x0ad, e")
    with pytest.raises(UserError, match=r"\\x0ad, e/\\x1b\[31m\\x0a\.png") as caught:
        dataset.load("train")
    assert str(caught.value).isprintable()


def test_new_images_move_at_most_as_many_others_to_another_side(tmp_path):
    def tested():
        files = data.open("folder", tmp_path).info.files["test"]
        return {path.name for path, label in files if label == 0}

    put(tmp_path, "a/0.png", "b/0.png", "b/1.png", content=b"")
    for count in range(1, 60):
        before = tested()
        put(tmp_path, f"a/{count}.png", content=b"")
        assert len((tested() ^ before) - {f"{count}.png"}) <= 1


def test_the_split_of_old_folders(tmp_path):
    """Names and checksums of a folder that an older version divided."""
    names = [f"{k}.png" for k in range(10)]
    put(tmp_path, *(f"{c}/{n}" for c in ("a", "é") for n in names))
    tests = data.open("folder", tmp_path).info.files["test"]
    found = [f"{path.parent.name}/{path.name}" for path, _ in tests]
    assert found == ["a/4.png", "é/2.png", "a/2.png", "é/6.png"]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_the_folder_of_test_images_has_several_names(name, tmp_path, caplog):
    put(tmp_path, *(f"{split}/{c}/1.png" for split in ("train", name) for c in "ab"))
    assert data.open("folder", tmp_path).info.splits == {"train": 2, "test": 2}


def test_of_two_folders_of_test_images_the_other_is_said(tmp_path, caplog):
    put(tmp_path, *(f"{split}/{c}/1.png" for split in ("train", "val", "test") for c in "ab"))
    lines, count = said(caplog, tmp_path)
    assert count == 4 and lines == [f"{tmp_path}: not read: folders val"]


def test_flat_folders_of_training_and_test_images_are_recognised(tmp_path):
    put(tmp_path, *(f"{split}/{k}.png" for split in ("train", "val") for k in range(3)))
    with pytest.raises(UserError, match="train and val hold images without classes; put"):
        data.open("folder", tmp_path)
    put(tmp_path, "car/1.png", "car/2.png")  # three classes, one of them of trains
    assert data.open("folder", tmp_path).info.class_names == ("car", "train", "val")


def test_very_long_names(tmp_path):
    long, file = "c" * 255, "i" * 251
    put(tmp_path, f"{long}/{file}.png", f"{long}/2.png", "b/1.png", "b/2.png")
    dataset = data.open("folder", tmp_path)
    assert dataset.info.class_names == ("b", long) and len(dataset.load("train")) == 2
    (tmp_path / long / "2.png").write_bytes(b"")
    (tmp_path / long / f"{file}.png").write_bytes(b"")
    with pytest.raises(UserError) as refused:
        dataset.load("train")
    assert len(str(refused.value)) < 250 and "…" in str(refused.value)


def test_the_order_of_numeric_class_names_is_said(tmp_path, caplog):
    put(tmp_path, *(f"{c}/{k}.png" for c in range(12) for k in range(2)))
    order = ("0", "1", "10", "11", *map(str, range(2, 10)))
    lines, _ = said(caplog, tmp_path)
    assert data.open("folder", tmp_path).info.class_names == order
    assert len(lines) == 1 and "order of their names as text: 0, 1, 10, 11, 2, ...;" in lines[0]
    assert "--class_names=FILE" in lines[0]


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_class_names_of_a_file_order_the_labels(start, end, tmp_path, caplog):
    put(tmp_path / "data", *(f"{c}/{k}.png" for c in ("2", "10", "é") for k in range(2)))
    file = tmp_path / "names.txt"
    file.write_bytes((start + end.join(["2", "é", "", "10", ""])).encode())
    lines, _ = said(caplog, tmp_path / "data", class_names=file)
    assert lines == []
    info = data.open("folder", tmp_path / "data", class_names=file).info
    assert info.class_names == ("2", "é", "10")
    assert {path.parent.name: label for path, label in info.files["train"]} == {
        "2": 0,
        "é": 1,
        "10": 2,
    }


@pytest.mark.parametrize(
    "text, message",
    [
        (b"caf\xe9\nb\n", "is not UTF-8 in line 1 .Latin-1..; save it as UTF-8"),
        (b"a\nb\nb\n", "names b twice"),
        (b"a\n", "has 1 names, the data 2 classes with images; only one of them has b"),
        (b"a\nb\nc\n", "only one of them has c"),
        (None, "is not a file with one class name per line"),
    ],
)
def test_files_of_class_names_that_are_refused(text, message, two, tmp_path):
    file = tmp_path / "names.txt"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(UserError, match=f"--class_names=.*{message}"):
        data.open("folder", two, class_names=file)


def test_grayscale(two):
    dataset = data.open("folder", two, grayscale=True)
    assert dataset.info.image_shape == (64, 64, 1)
    assert dataset.load("train").images.shape == (8, 64, 64, 1)


def test_too_many_pixels_are_refused_by_the_header(two, caplog):
    huge = PNG[:16] + (20_000).to_bytes(4, "big") * 2 + PNG[24:]
    put(two, "a/huge.png", content=huge)
    with pytest.raises(UserError, match="1 image file has more pixels than --max_pixels=100000000"):
        said(caplog, two)
    lines, count = said(caplog, two, on_bad_image="skip", max_pixels=64)
    assert count == 10 and "--max_pixels=64: " in lines[0]
    (two / "a/huge.png").unlink()
    with pytest.raises(UserError, match="8 image files have more pixels than --max_pixels=63"):
        data.open("folder", two, max_pixels=63).load("train")


def test_classes_take_turns_also_beside_one_that_is_far_larger():
    """Turn by turn over all classes this would be 10,000,000,000 steps."""
    assert in_turn([["a0", "a1", "a2"], [], ["c0"], ["d0", "d1"]]) == "a0 c0 d0 a1 d1 a2".split()
    large = in_turn([*([number] for number in range(10_000)), range(1_000_000)])
    assert large[:10_000] == list(range(10_000)) and large[10_000:] == list(range(1_000_000))


def test_nothing_left_out_is_no_line():
    assert str(LeftOut()) == ""
