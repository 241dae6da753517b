"""A finished run made into one version of a served model: written, verified, described."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from robust_tf.export.endpoints import Endpoint
from robust_tf.export.model_card import verification_lines, write_model_card
from robust_tf.export.saved_model import next_version, write_saved_model
from robust_tf.export.sidecar import sidecar, write_sidecar
from robust_tf.export.verification import verify_saved_model
from robust_tf.export.warmup_requests import write_warmup_requests
from robust_tf.reports.recorded_run import recorded_run

VERIFIED = 16  # images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """What a SavedModel serves, and how it is verified.

    Attributes:
        endpoints: list of `Endpoint`.
        answer: function of `serving_default`, without the guard.
        output: name of the output whose gradient is verified.
        attack: function (path of the SavedModel) -> dict of what an attack on it showed.
        resources: See `write_saved_model`.
        fill: function (path of the SavedModel) that writes further files there, or None.
        facts: further entries of the sidecar.
    """

    endpoints: Sequence[Endpoint]
    answer: Callable
    output: str
    attack: Callable
    resources: Sequence = ()
    fill: Callable | None = None
    facts: Mapping


def export_run(run, network, served, export_dir):
    """Writes the SavedModel of a run with its sidecar, its model card and its warm-up requests.

    Args:
        run: `FinishedRun`.
        network: Trained keras.Model of the run.
        served: `Served`.
        export_dir: folder of the versions.

    Returns:
        (path of the new version, its sidecar).

    Raises:
        UserError: `export_dir` cannot be a folder to write to.
        RunError: the SavedModel differs from the network.
    """
    images = np.random.default_rng(0).uniform(size=[VERIFIED, *run.info.image_shape])
    with next_version(export_dir) as (folder, path):
        write_saved_model(folder, served.endpoints, served.resources)
        difference = verify_saved_model(folder, served.answer, images, served.output)
        verification = {
            "images": VERIFIED,
            "largest_difference": difference,
            "attack": served.attack(folder),
        }
        if served.fill is not None:
            served.fill(folder)
        loaded = tf.saved_model.load(str(folder))
        entries = sidecar(
            recorded_run(run.folder.path),
            network,
            run,
            loaded.signatures,
            served.endpoints,
            verification=verification,
            **served.facts,
        )
        write_sidecar(folder, entries)
        write_model_card(folder, entries)
        write_warmup_requests(folder, served.endpoints, run.info)
    return path, entries


def summary(path, entries):
    """Returns the lines of a terminal on a new version and its sidecar."""
    lines = [f"SavedModel in {path}"]
    for name, endpoint in entries["endpoints"].items():
        given = endpoint["input"]
        shape = ", ".join("n" if side is None else str(side) for side in given["shape"])
        outputs = ", ".join(endpoint["outputs"])
        lines.append(f"  {name}: {given['name']} {given['dtype']} [{shape}] -> {outputs}")
    lines += verification_lines(entries["verification"])
    if detector := entries.get("detector"):
        lines.append(_detector_line(detector))
    red = [check["name"] for check in entries["checks"] if check["status"] == "red"]
    if red:
        lines.append(f"red checks, see README.md there: {', '.join(red)}")
    return "\n".join(lines)


def _detector_line(detector):
    low, high = (f"{100 * bound:.1f}" for bound in detector["interval_of_this_rate"])
    advice = f"; {reason}" if (reason := detector["reason_of_this_rate"]) else ""
    if not detector["calibrated_on_images_unseen_in_training"]:
        advice += "; for images that the network has not seen, train it with --held_out=N"
    return (
        f"detect rejects {100 * detector['false_positive_rate_on_test_images']:.1f} % ({low} to "
        f"{high}) of {detector['test_images']:,} clean test images, "
        f"{100 * detector['false_positive_rate_asked_for']:.1f} % asked; calibrated on "
        f"{detector['calibrated_on_images']:,} {detector['calibrated_on']}{advice}"
    )
