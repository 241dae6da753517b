"""Small photos and archives of them, for the tests of CUB, Cars and SOP."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from robust_tf.data import image_files
from robust_tf.errors import UserError


def jpeg(value, height=9, width=12, channels=3):
    """A file of one shade."""
    pixels = np.full([height, width, channels], value, np.uint8)
    return tf.io.encode_jpeg(pixels, quality=100).numpy()


def shades(examples):
    """The shades that the files of `examples` were made of."""
    images = image_files.decode(examples.images, (2, 2, 3)).numpy()
    return images[:, 0, 0, 0].tolist()


def write_folder(folder, files):
    """Writes {name: bytes}; returns `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_tgz(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tfds(name, folder, features, splits):
    """Prepares a copy whose `splits` are {name: {feature: values}}; "image" holds shades."""

    def dataset(columns):
        images = [np.full([6, 5, 3], value, np.uint8) for value in columns["image"]]
        return tf.data.Dataset.from_tensor_slices({**columns, "image": images})

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict({"image": tfds.features.Image(), **features}),
        split_datasets={split: dataset(columns) for split, columns in splits.items()},
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


def assert_refused(action, *words):
    with pytest.raises(UserError) as caught:
        action()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records]
