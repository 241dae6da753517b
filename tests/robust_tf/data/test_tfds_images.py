"""Reading prepared TFDS copies, made small in a temporary folder, and what happens without one."""

import json
import shutil
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from robust_tf import data
from robust_tf.data import tfds_copies, tfds_images
from robust_tf.errors import RunError, UserError

COUNT = 48


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A TFDS folder with an MNIST of 48 training and 5 test images, in an old version."""
    folder = tmp_path_factory.mktemp("tfds")
    rng = np.random.default_rng(0)

    def split(count):
        images = rng.integers(0, 256, [count, 28, 28, 1]).astype(np.uint8)
        return tf.data.Dataset.from_tensor_slices({"image": images, "label": np.arange(count) % 10})

    tfds.dataset_builders.store_as_tfds_dataset(
        name="mnist",
        version="2.0.9",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={"train": split(COUNT), "test": split(5)},
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_validation_is_the_first_twelfth(data_dir):
    train, validation = (data.open("mnist", data_dir).load(s) for s in ("train", "validation"))
    assert (len(train), len(validation)) == (44, 4)
    labels = np.concatenate([validation.labels, train.labels])
    np.testing.assert_array_equal(labels, np.arange(COUNT) % 10)
    assert train.images.shape == (44, 28, 28, 1) and train.images.dtype == np.uint8


def test_without_a_validation_split_all_train(data_dir, tmp_path):
    shutil.copytree(data_dir / "mnist", tmp_path / "fashion_mnist")
    train, test = (data.open("fashion_mnist", tmp_path).load(s) for s in ("train", "test"))
    assert (len(train), len(test)) == (COUNT, 5)


@pytest.mark.parametrize("name, classes", [("cifar100", 100), ("svhn_cropped", 10)])
def test_features_that_nobody_needs_are_left(name, classes, tmp_path):
    """A copy with the features of TFDS: coarse labels, identifiers."""
    rng = np.random.default_rng(0)
    features = tfds.builder_cls(name)(data_dir=tmp_path).info.features
    images = rng.integers(0, 256, [6, 32, 32, 3]).astype(np.uint8)
    columns = {"image": images, "label": np.arange(6), "coarse_label": np.arange(6)}
    columns["id"] = np.array(["n"] * 6)
    # Older versions of TFDS give SVHN no identifiers.
    split = tf.data.Dataset.from_tensor_slices({feature: columns[feature] for feature in features})
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="3.1.0",
        features=features,
        split_datasets={"train": split, "test": split},
        data_dir=tmp_path,
        disable_shuffling=True,
    )
    examples = data.open(name, tmp_path).load("test")
    np.testing.assert_array_equal(examples.images, images)
    np.testing.assert_array_equal(examples.labels, np.arange(6))
    assert len(set(data.open(name).info.class_names)) == classes


def test_limit_reads_the_first(data_dir):
    whole, part = (data.open("mnist", data_dir).load("train", limit) for limit in (None, 6))
    np.testing.assert_array_equal(part.images, whole.images[:6])
    np.testing.assert_array_equal(part.labels, whole.labels[:6])


def test_reduced_copy_warns_once_with_both_sizes(data_dir, caplog):
    data.open("mnist", data_dir).load("train")
    lines = [r.getMessage() for r in caplog.records if "this copy" in r.getMessage()]
    assert lines == ["mnist train: this copy has 44 images, the official one 55000."]


def test_newest_version_is_found(data_dir, tmp_path, monkeypatch):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tmp_path / "mnist" / "2.0.9", tmp_path / "mnist" / "2.0.10")
    assert tfds_images.locate(tfds_images.MNIST, tmp_path).name == "2.0.10"
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert tfds_images.locate(tfds_images.MNIST, None).name == "2.0.10"


def test_describe_tells_what_is_ahead(data_dir, tmp_path):
    folder = data_dir / "mnist" / "2.0.9"
    assert data.open("mnist", data_dir).describe().endswith(f"prepared in {folder}")
    assert data.open("cifar10", tmp_path).describe().endswith("download of 162 MB ahead")


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match="--data_dir=.*nowhere is not a folder"):
        data.open("mnist", tmp_path / "nowhere")


def test_no_copy_and_no_network(tmp_path, no_network):
    with pytest.raises(UserError, match="cifar10 is not in .*--data_dir=FOLDER") as caught:
        data.open("cifar10", tmp_path).load("test")
    assert "\n" not in str(caught.value)


def test_missing_split_in_the_copy(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    facts = tmp_path / "mnist/2.0.9/dataset_info.json"
    facts.write_text(facts.read_text().replace('"name": "test"', '"name": "other"'))
    with pytest.raises(UserError, match="no split 'test', only"):
        data.open("mnist", tmp_path).load("test")


def test_broken_copy_is_one_line(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    for record in tmp_path.glob("mnist/2.0.9/*test*"):
        record.write_bytes(record.read_bytes()[:-40])
    with pytest.raises(RunError, match="Reading mnist from .* failed") as caught:
        data.open("mnist", tmp_path).load("test")
    assert "\n" not in str(caught.value)


def test_failed_download_is_one_line(tmp_path, monkeypatch):
    def fail(self, **kwargs):
        raise OSError("disk full\nand more")

    monkeypatch.setattr(tfds_copies, "require_network", lambda *arguments: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(RunError, match="disk full$"):
        data.open("mnist", tmp_path).load("test")


def test_a_copy_that_another_process_prepares_meanwhile_is_read(data_dir, tmp_path, monkeypatch):
    """TFDS renames its own copy to a folder that is there by then."""

    def late(self, **kwargs):
        shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
        raise OSError("Directory not empty")

    monkeypatch.setattr(tfds_copies, "require_network", lambda *arguments: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", late)
    found = data.open("mnist", tmp_path).load("test")
    assert len(found) == len(data.open("mnist", data_dir).load("test"))


MODULE = """
import pathlib
pathlib.Path({path!r}).touch()
"""


@pytest.mark.parametrize(
    "features",
    [
        {"pythonClassName": "harmful.Image", "image": {}},
        {"type": "harmful.Image", "content": {}},
        {"featuresDict": {"features": {"image": {"pythonClassName": "harmful.Image"}}}},
        [{"sequence": [{"pythonClassName": "harmful.Image"}]}],
        {"python_class_name": "harmful.Image", "image": {}},
        {"type": "x", "content": json.dumps({"pythonClassName": "harmful.Image"})},
    ],
    ids=["itself", "old form", "feature", "list", "name of the field", "text"],
)
@pytest.mark.parametrize("facts", [True, False], ids=["copy", "no dataset_info.json"])
def test_no_module_of_a_copy_is_imported(features, facts, data_dir, tmp_path, monkeypatch):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "harmful.py").write_text(MODULE.format(path=str(tmp_path / "imported")))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tfds_copies, "require_network", lambda *arguments: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse_download)
    whole = {"pythonClassName": f"{tfds_copies._PACKAGE}.features_dict.FeaturesDict"}
    (tmp_path / "mnist/2.0.9/features.json").write_text(json.dumps({**whole, "more": features}))
    if not facts:
        (tmp_path / "mnist/2.0.9/dataset_info.json").unlink()
    message = "harmful.Image, which is not imported" if facts else "no download"
    with pytest.raises((UserError, RunError), match=message):
        data.open("mnist", tmp_path).load("test")
    assert not (tmp_path / "imported").exists() and "harmful" not in sys.modules


def refuse_download(self, **kwargs):
    raise OSError("no download")
