"""Copies of data sets that TensorFlow Datasets has prepared or can prepare."""

import contextlib
import json
import os
import pathlib
import urllib.error
import urllib.request

from robust_tf.errors import RunError, UserError, reason_of

# Features of the supported data sets. TFDS imports every module that a copy names.
_PACKAGE = "tensorflow_datasets.core.features"
FEATURES = {
    f"{_PACKAGE}.{name}"
    for name in (
        "bounding_boxes.BBoxFeature",
        "class_label_feature.ClassLabel",
        "features_dict.FeaturesDict",
        "image_feature.Image",
        "labeled_image.LabeledImage",
        "scalar.Scalar",
        "sequence_feature.Sequence",
        "tensor_feature.Tensor",
        "text_feature.Text",
    )
}
# The names of a field in JSON and in its protocol buffer, both of which are read, and the old one.
_CLASS_NAME = ("pythonClassName", "python_class_name", "type")


def root(data_dir):
    """Returns the TFDS data folder: `data_dir`, else TFDS_DATA_DIR or ~/tensorflow_datasets."""
    folder = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return pathlib.Path(os.path.expanduser(folder))


def locate(name, data_dir):
    """Returns the folder of the newest prepared version below `data_dir`, or None.

    Args:
        name: Name of the data set in TFDS.
        data_dir: see `root`.
    """
    folders = root(data_dir).glob(f"{name}/*/dataset_info.json")
    versions = [f.parent for f in folders if f.parent.name.replace(".", "").isdigit()]
    return max(versions, key=lambda f: tuple(map(int, f.name.split("."))), default=None)


def require_network(name, source, data_dir):
    """Raises UserError if the address `source`, where a download starts, cannot be reached."""
    # TFDS itself retries for minutes, with pages of warnings, before it gives up.
    try:
        urllib.request.urlopen(source, timeout=20).close()
    except urllib.error.HTTPError:
        pass  # any answer shows that the address can be reached
    except OSError as error:
        raise UserError(
            f"{name} is not in {root(data_dir)} and cannot be downloaded: {source} "
            f"cannot be reached. Pass --data_dir=FOLDER with a FOLDER that has "
            f"{name}/<version>/dataset_info.json."
        ) from error


def builder(name, data_dir):
    """Returns the TFDS builder of the newest prepared version; downloads the data set without one.

    TFDS raises errors of many kinds: see `one_line_errors`.

    Raises:
        UserError: A copy with features that are not among `FEATURES`.
    """
    import tensorflow_datasets as tfds  # slow to import

    folder = locate(name, data_dir)
    if folder is not None:
        _check_features(folder)
        return tfds.builder_from_directory(folder)
    # `tfds.builder` would search for copies in places that `locate` does not know.
    prepared = tfds.builder_cls(name)(data_dir=root(data_dir))
    try:
        prepared.download_and_prepare()
    except Exception:
        if locate(name, data_dir) is None:
            raise
        return builder(name, data_dir)  # another process has prepared it meanwhile
    return prepared


def in_order(prepared, split, **settings):
    """Returns an iterator over the elements of a split as NumPy arrays, in a fixed order.

    Args:
        prepared: result of `builder`.
        split: name of the split, perhaps with rows, as in "train[:100]".
        **settings: further arguments of `as_dataset`.
    """
    import tensorflow_datasets as tfds  # slow to import

    # One file after the other: also a copy in several files has a fixed reading order.
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    data = prepared.as_dataset(split=split, shuffle_files=False, read_config=config, **settings)
    return data.as_numpy_iterator()


def _check_features(folder):
    path = folder / "features.json"
    unknown = sorted(_class_names(json.loads(path.read_bytes())) - FEATURES)
    if unknown:
        raise UserError(
            f"{path} names the class {unknown[0]}, which is not imported; copy the data set from a "
            "source that you trust"
        )


def _class_names(value):
    """The names of all Python classes in a features.json, in its old or new form.

    In the old form the content of a feature may be JSON within a text.
    """
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return _class_names(json.loads(value))
    if isinstance(value, list):
        return {name for part in value for name in _class_names(part)}
    if not isinstance(value, dict):
        return set()
    own = {value[key] for key in _CLASS_NAME if isinstance(value.get(key), str)}
    return own | _class_names(list(value.values()))


@contextlib.contextmanager
def one_line_errors(name, data_dir):
    """Turns every error of TFDS into a `RunError` of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # TFDS, its downloader and its file formats share no base class
        where, kind = locate(name, data_dir) or root(data_dir), type(error).__name__
        raise RunError(f"Reading {name} from {where} failed: {kind}: {reason_of(error)}") from error
