"""A finished run made into one version with an ONNX or LiteRT file: written, compared, attacked."""

import pathlib

import numpy as np

from robust_tf.errors import RunError, UserError
from robust_tf.evaluation.attack_loop import images_of
from robust_tf.export.portable import (
    TOLERANCE,
    compare_outputs,
    portable_function,
    write_portable,
)
from robust_tf.export.saved_model import next_version
from robust_tf.export.sidecar import sidecar, write_sidecar
from robust_tf.reports.recorded_run import recorded_run

COMPARED = 64  # test images; they also scale the integers of litert_int8


def export_portable(run, network, export_dir, format, test, attack=None):
    """Writes the file of a format and its sidecar.

    Args:
        run: `FinishedRun`.
        network: Trained keras.Model of the run.
        export_dir: folder of the versions.
        format: a key of `robust_tf.export.portable.FILES`.
        test: `Examples`, test images.
        attack: function (function of the file) -> dict for the sidecar, or None.

    Returns:
        (path of the file, its sidecar).

    Raises:
        UserError: `export_dir` cannot be a folder to write to, or has versions with SavedModels: a
            server would take the new one for the latest and find nothing to load.
        RunError: the outputs differ from the network by more than `TOLERANCE`, see
            `compare_outputs`; the difference of litert_int8 is told.
    """
    if any(pathlib.Path(export_dir).glob("[0-9]*/saved_model.pb")):
        raise UserError(
            f"--export_dir={export_dir} has SavedModels, whose latest version a server loads; name "
            f"another folder for --format={format}"
        )
    images = images_of(test, slice(COMPARED)).numpy()
    with next_version(export_dir) as (folder, path):
        file = write_portable(folder, network, format, images)
        difference = compare_outputs(file, network, images)
        allowed = np.inf if format == "litert_int8" else TOLERANCE
        if not difference <= allowed:  # true for NaN too
            raise RunError(
                f"{path / file.name} differs from the network by {difference:.3g}, allowed is "
                f"{allowed:g}"
            )
        verification = {"images": len(images), "largest_difference": difference}
        if attack is not None:
            verification["transfer"] = attack(portable_function(file))
        recorded = recorded_run(run.folder.path)
        entries = sidecar(recorded, network, run, {}, [], verification=verification)
        entries = {"format": format, **entries}
        write_sidecar(folder, entries)
    return path / file.name, entries


def summary(path, entries, lacking):
    """Returns the lines of a terminal on a file and its sidecar.

    Args:
        path, entries: see `export_portable`.
        lacking: str, what the file lacks beside the guard.
    """
    verification = entries["verification"]
    line = (
        f"{entries['format']} in {path}: largest difference "
        f"{verification['largest_difference']:.1e}; it takes float images only: no guard, no image "
        f"files, no {lacking}"
    )
    if (found := verification.get("transfer")) is None:
        return line
    return (
        f"{line}\n"
        f"of {found['n']} test images: clean {100 * found['clean_accuracy']:.2f} % (the network "
        f"{100 * found['clean_accuracy_of_the_network']:.2f}), under pgd20 made on the network "
        f"{100 * found['robust_accuracy']:.2f} % "
        f"({100 * found['robust_accuracy_of_the_network']:.2f})"
    )


def transferred(function, clean, adversarial, labels, network):
    """Returns clean and robust accuracy of a file, and of its network on the same images.

    A file has no gradient, and integers mask it: the images are made on the float network.

    Args:
        function: Function of the file, see `portable_function`.
        clean, adversarial: float32 [n, h, w, c], images and what an attack on the network made.
        labels: int [n].
        network: the keras.Model.
    """

    def accuracy(logits_of, images):
        parts = np.array_split(images, -(-len(images) // COMPARED))
        logits = np.concatenate([np.asarray(logits_of(part)["logits"]) for part in parts])
        return float(np.mean(np.argmax(logits, axis=1) == labels))

    def of_network(images):
        return network(images, training=False)

    return {
        "n": len(labels),
        "clean_accuracy": accuracy(function, clean),
        "robust_accuracy": accuracy(function, adversarial),
        "clean_accuracy_of_the_network": accuracy(of_network, clean),
        "robust_accuracy_of_the_network": accuracy(of_network, adversarial),
    }
