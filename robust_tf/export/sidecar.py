"""The sidecar `model.json`: inputs and outputs of a SavedModel, and the facts of its weights."""

import dataclasses
import json
import pathlib

from robust_tf.data.folder import FolderInfo
from robust_tf.data.gallery_folder import resizes, target_size
from robust_tf.reports.recorded_run import without_places
from robust_tf.results.result import versions, weights_hash

NAME = "model.json"
LICENCE = (
    "Code: Apache-2.0. The weights were trained on {}; the terms of these data apply to the weights"
)


def sidecar(recorded, network, run, signatures, endpoints, **more):
    """Returns the sidecar, a dict for JSON.

    Args:
        recorded: `RecordedRun` of the run folder.
        network: the exported keras.Model.
        run: `FinishedRun` of the folder.
        signatures: mapping name -> signature of the reloaded SavedModel.
        endpoints: list of `Endpoint`.
        **more: further entries: verification, detector, gallery.
    """
    own, segments, info = weights_hash(network), recorded.segments(), run.info
    commit = segments[-1].get("commit") if segments else None
    # A folder's name: its path says more of the exporter's machine than of the data.
    of_folder = isinstance(info, FolderInfo)
    source = pathlib.Path(info.source).resolve().name if of_folder else info.source
    return {
        "name": network.name,
        "method": recorded.results[-1].method if recorded.results else None,
        "image_shape": list(info.image_shape),
        "input_range": [0.0, 1.0],
        # Image files of another size: resized to this before the middle is cut out, or refused.
        "resized_to": list(target_size(info)) if resizes(info) else None,
        "classes": list(info.class_names),
        "dataset": {"name": info.name, "source": source, "images": info.identity},
        "training": {
            "flags": without_places(recorded.flags),
            "classes": run.train_classes,
            "commit": commit,
            "segments": segments,
        },
        "endpoints": {e.name: _endpoint(e, signatures[e.name]) for e in endpoints},
        # Records of other weights say nothing about these.
        "results": [_result(r) for r in recorded.results if r.weights_hash == own],
        "checks": _checks(recorded, own),
        **more,
        "weights_hash": own,
        "versions": versions(),
        "licence": LICENCE.format(info.name),
    }


def write_sidecar(path, entries):
    """Writes the sidecar into the folder of a SavedModel, a pathlib.Path."""
    (path / NAME).write_text(json.dumps(entries, indent=2) + "\n", "utf-8")


def read_sidecar(path):
    """Returns the sidecar of a SavedModel's folder, {} where it has none of this project."""
    try:
        entries = json.loads(pathlib.Path(path, NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _endpoint(endpoint, signature):
    spec = endpoint.spec
    outputs = signature.structured_outputs
    return {
        "about": endpoint.about,
        "input": {"name": spec.name, **_tensor(spec)},
        "outputs": {name: _tensor(outputs[name]) for name in sorted(outputs)},
    }


def _tensor(spec):
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def _result(result):
    kept = ("metric", "attack", "attack_settings", "threat_model", "value", "n", "correct")
    fields = dataclasses.asdict(result)
    return {
        name: fields[name]
        for name in (*kept, "interval", "spread", "after", "split", "seed", "warnings")
    }


def _checks(recorded, own):
    kept = ("name", "status", "figure", "advice", "threat_model")
    return [
        {name: check.get(name) for name in kept}
        for check in recorded.checks()
        if check["weights_hash"] == own
    ]
