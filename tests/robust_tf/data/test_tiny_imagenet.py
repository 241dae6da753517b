"""Tiny ImageNet from small copies in the official layout: zip, folder, broken ones, downloads."""

import hashlib
import io
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from robust_tf import data
from robust_tf.data import packed_files, tiny_imagenet
from robust_tf.errors import RunError, UserError
from robust_tf.evaluation.attack_loop import images_of

# Not sorted; labels are the places among all 200 sorted synsets.
CLASSES = {"n12267677": 199, "n01443537": 0, "n02123394": 31}
ROOT = "tiny-imagenet-200"


def jpeg(value, channels=3, side=64):
    return tf.io.encode_jpeg(np.full([side, side, channels], value, np.uint8), quality=100).numpy()


def official_files():
    """Name -> bytes. Training image i of the class of label l is filled with l + i."""
    files = {"wnids.txt": b"", "words.txt": b"", "test/images/test_0.JPEG": jpeg(1)}
    annotations = []
    for number, (synset, label) in enumerate(CLASSES.items()):
        files[f"train/{synset}/{synset}_boxes.txt"] = b"0\t0\t1\t1"
        for i in range(3):
            files[f"train/{synset}/images/{synset}_{i}.JPEG"] = jpeg(label + i, 1 if i == 2 else 3)
        files[f"val/images/val_{number}.JPEG"] = jpeg(100 + number)
        annotations.append(f"val_{number}.JPEG\t{synset}\t0\t32\t44\t62\n")
        files[f"train/{synset}/images/._{synset}_0.JPEG"] = b"what macOS adds"
        files[f"train/{synset}/images/.DS_Store"] = b"what macOS adds"
    return {**files, "val/val_annotations.txt": "".join(annotations[::-1]).encode()}


def write_folder(folder, files):
    for name, content in files.items():
        path = folder / ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{ROOT}/{name}", data)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("unpacked"), official_files())


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory):
    return write_zip(tmp_path_factory.mktemp("packed") / f"{ROOT}-mini.zip", official_files())


def load(place, split="train", limit=None):
    return data.open("tiny_imagenet", place).load(split, limit)


def pixels(examples):
    return images_of(examples, slice(None)).numpy()


def assert_refused(place, *words, split="train", error=UserError):
    with pytest.raises(error) as caught:
        load(place, split)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_synsets_are_sorted():
    names = data.open("tiny_imagenet").info.class_names
    assert len(set(names)) == 200 and list(names) == sorted(names)
    assert {synset: names.index(synset) for synset in CLASSES} == CLASSES


@pytest.mark.parametrize("form", ["zip", "zip's folder", "folder", "folder's folder"])
def test_every_form_gives_the_same(form, folder, zip_file):
    forms = (zip_file, zip_file.parent, folder / ROOT, folder)
    place = dict(zip(("zip", "zip's folder", "folder", "folder's folder"), forms))[form]
    train, test = load(place), load(place, "test")

    assert train.images.dtype == object and train.image_shape == (64, 64, 3)
    assert train.labels.tolist() == 3 * [0, 31, 199]  # the classes in turn: a limit is balanced
    expected = train.labels + np.repeat(range(3), 3)  # gray files among them
    shown = np.rint(255 * pixels(train)).astype(int)
    assert np.abs(shown - expected[:, None, None, None]).max() <= 1  # JPEG
    assert test.labels.tolist() == [31, 0, 199]  # the order of the annotations
    assert np.abs(255 * pixels(test)[:, 0, 0, 0] - [102, 101, 100]).max() <= 1


def test_limit(zip_file):
    assert load(zip_file, limit=2).labels.tolist() == [0, 31]


def test_reduced_copy_warns_once(zip_file, caplog):
    load(zip_file, "test", 1)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["tiny_imagenet test: this copy has 3 images, the official one 10000."]


def test_describe(zip_file, tmp_path):
    line = data.open("tiny_imagenet", zip_file.parent).describe()
    assert line.endswith(f"train 100,000, test 10,000 images, prepared in {zip_file}")
    assert data.open("tiny_imagenet", tmp_path).describe().endswith("download of 248.1 MB ahead")


def test_unpacked_folder_comes_before_zips_and_the_official_zip_before_others(tmp_path):
    for name in (f"{ROOT}-a.zip", f"{ROOT}.zip"):
        write_zip(tmp_path / name, {})
    info = data.open("tiny_imagenet").info
    assert tiny_imagenet.locate(info, tmp_path).name == f"{ROOT}.zip"
    write_folder(tmp_path, {"train/x": b""})
    assert tiny_imagenet.locate(info, tmp_path).name == ROOT


def test_default_place(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    (tmp_path / "tiny_imagenet").mkdir()
    path = write_zip(tmp_path / "tiny_imagenet" / f"{ROOT}.zip", {})
    assert tiny_imagenet.locate(data.open("tiny_imagenet").info, None) == path


def test_corrupt_zips(zip_file, tmp_path):
    data = zip_file.read_bytes()
    cut, changed, text = (tmp_path / f"{name}.zip" for name in ("cut", "changed", "text"))
    cut.write_bytes(data[: len(data) // 2])
    place = data.index(b"/images/n") + 60
    changed.write_bytes(data[:place] + bytes(20) + data[place + 20 :])
    text.write_text("not found")
    for path in (cut, changed, text):
        assert_refused(path, str(path), "is broken", "get it anew")


def test_missing_annotations(tmp_path):
    files = official_files()
    del files["val/val_annotations.txt"]
    path = write_zip(tmp_path / "x.zip", files)
    assert_refused(path, str(path), "no val/val_annotations.txt", split="test")
    assert len(load(path)) == 9


@pytest.mark.parametrize("line", [b"val_0.JPEG\n", b"val_0.JPEG\tn99999999\t0\n", b"\xff\xfe\n"])
def test_broken_annotations(line, tmp_path):
    path = write_zip(tmp_path / "x.zip", {**official_files(), "val/val_annotations.txt": line})
    assert_refused(path, "is broken", split="test")


def test_undecodable_images_are_named(tmp_path):
    files = official_files()
    bad = [f"train/{synset}/images/{synset}_0.JPEG" for synset in CLASSES]
    files[bad[0]], files[bad[1]] = files[bad[0]][:300], b"text"
    files[bad[2]] = jpeg(0, side=63)  # the network takes one size
    folder = write_folder(tmp_path, files)
    assert_refused(folder, "3 image files cannot be decoded", *bad)


def test_missing_place(tmp_path):
    assert_refused(tmp_path / "nowhere", "does not exist")


def test_a_folder_without_any_of_it_is_refused(tmp_path):
    write_folder(tmp_path, {"train/dogs/images/1.JPEG": jpeg(1)})
    assert_refused(tmp_path, "no images in its split 'train'")


class Answer(io.BytesIO):
    headers = {}


def serve(monkeypatch, data, md5=None):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Answer(data))
    monkeypatch.setattr(tiny_imagenet, "MD5", md5 or hashlib.md5(data).hexdigest())


def test_download(tmp_path, zip_file, monkeypatch):
    serve(monkeypatch, zip_file.read_bytes())
    assert len(load(tmp_path)) == 9
    assert [path.name for path in tmp_path.iterdir()] == [f"{ROOT}.zip"]
    monkeypatch.delattr(urllib.request, "urlopen")
    assert len(load(tmp_path)) == 9  # found, not fetched again


def test_two_processes_download_at_once(tmp_path, zip_file, monkeypatch):
    """The second one begins and ends while the first one reads."""
    serve(monkeypatch, zip_file.read_bytes())
    read = Answer.read

    def read_after_the_other(answer, size):
        monkeypatch.setattr(Answer, "read", read)
        with monkeypatch.context() as patch:
            patch.setattr("os.getpid", lambda: 7)
            assert len(load(tmp_path)) == 9
        return read(answer, size)

    monkeypatch.setattr(Answer, "read", read_after_the_other)
    assert len(load(tmp_path)) == 9
    assert [path.name for path in tmp_path.iterdir()] == [f"{ROOT}.zip"]


def test_wrong_checksum(tmp_path, zip_file, monkeypatch):
    serve(monkeypatch, zip_file.read_bytes()[:-1], hashlib.md5(zip_file.read_bytes()).hexdigest())
    assert_refused(tmp_path, "has the MD5", f"put {ROOT}.zip", error=RunError)
    assert not list(tmp_path.iterdir())


def test_broken_download(tmp_path, monkeypatch):
    serve(monkeypatch, b"")
    monkeypatch.setattr(Answer, "read", lambda self, size: (_ for _ in ()).throw(OSError("reset")))
    assert_refused(tmp_path, "broke off (reset)", error=RunError)
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert_refused(tmp_path, "cannot be reached", f"put {ROOT}.zip", str(tmp_path))


def test_a_member_that_is_too_large_is_refused(zip_file, monkeypatch):
    monkeypatch.setattr(packed_files, "MAX_MEMBER_BYTES", 100)
    assert_refused(zip_file, "bytes unpacked, more than 100")
