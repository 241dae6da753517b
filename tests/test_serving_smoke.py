"""tools/serving_smoke.py: malformed requests are refused, and the process lives."""

import pathlib
import runpy
import sys

import keras
import pytest
import tensorflow as tf

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.export.endpoints import image_endpoints
from robust_tf.export.saved_model import write_saved_model

TOOL = pathlib.Path(__file__).parents[1] / "tools" / "serving_smoke.py"
INFO = DatasetInfo("toy", (8, 8, 3), ("one", "two"), {}, "")
REQUESTS = 120


@pytest.fixture
def smoke(monkeypatch):
    """Returns the function (folder, *flags) -> exit code of the tool, which finds no project."""

    def run(folder, *flags):
        with monkeypatch.context() as patch:
            for name in ("robust_tf", "tla_tf", "hm_tf"):
                patch.setitem(sys.modules, name, None)
            patch.setattr(sys, "argv", [TOOL.name, str(folder), "--repeats=3", *flags])
            return runpy.run_path(str(TOOL))["main"]()

    return run


def test_every_endpoint_refuses_malformed_requests(smoke, tmp_path, capsys):
    image = keras.Input(INFO.image_shape)
    network = keras.Model(image, {"map": keras.layers.Conv2D(2, 3)(image)})

    def answer(images):
        return {**network(images), "class_name": tf.fill(tf.shape(images)[:1], "a long name")}

    write_saved_model(tmp_path / "1", image_endpoints(answer, INFO, "Filters"))
    assert smoke(tmp_path, f"--malformed={REQUESTS}") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line[0] for line in lines] == ["encoded", "serving_default", "uint8"]
    for _, refused, answered, memory, same, *_ in lines:
        assert (int(refused), int(answered), same) == (REQUESTS, 0, "True")
        assert float(memory) < 20


def test_an_endpoint_without_a_guard_fails(smoke, tmp_path, capsys):
    image = keras.Input(INFO.image_shape)
    network = keras.Model(image, {"mean": keras.layers.GlobalAveragePooling2D()(image)})
    archive = keras.export.ExportArchive()
    archive.track(network)
    spec = tf.TensorSpec([None, *INFO.image_shape], tf.float32, name="image")
    archive.add_endpoint("serve", network, [spec])
    archive.write_out(str(tmp_path / "1"), verbose=False)
    assert smoke(tmp_path / "1", "--malformed=40") == 1
    assert "serving_default answered float32" in capsys.readouterr().out


def test_a_folder_without_a_saved_model_is_one_line(smoke, tmp_path, capsys):
    assert smoke(tmp_path / "nowhere") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("nowhere holds no SavedModel, nor a folder of versions")
