"""Copies of data sets that TensorFlow Datasets prepared, or can prepare."""

import contextlib
import os
import pathlib
import urllib.error
import urllib.request

from robust_tf.errors import RunError, UserError


def root(data_dir):
    """Returns the TFDS data folder: `data_dir`, else TFDS_DATA_DIR or ~/tensorflow_datasets."""
    folder = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return pathlib.Path(folder).expanduser()


def locate(name, data_dir):
    """Returns the folder of the newest prepared version below `data_dir`, None if there is none.

    Args:
        name: of the data set in TFDS.
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
        pass  # an answer, whatever it says
    except OSError as error:
        raise UserError(
            f"{name} is not in {root(data_dir)} and cannot be downloaded: {source} "
            f"cannot be reached. Pass --data_dir=FOLDER with a FOLDER that has "
            f"{name}/<version>/dataset_info.json."
        ) from error


def builder(name, data_dir):
    """Returns the TFDS builder of the newest prepared version; downloads where there is none.

    It raises whatever TFDS does: see `one_line_errors`.
    """
    import tensorflow_datasets as tfds  # slow to import

    folder = locate(name, data_dir)
    if folder is not None:
        return tfds.builder_from_directory(folder)
    prepared = tfds.builder(name, data_dir=root(data_dir))
    prepared.download_and_prepare()
    return prepared


@contextlib.contextmanager
def one_line_errors(name, data_dir):
    """Turns whatever TFDS raises into a RunError of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # TFDS, its downloader and its file formats share no base class
        reason = str(error).strip().partition("\n")[0]
        where = locate(name, data_dir) or root(data_dir)
        raise RunError(
            f"Reading {name} from {where} failed: {type(error).__name__}: {reason}"
        ) from error
