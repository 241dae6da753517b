"""tools/serving_smoke.py in a fresh process: malformed requests are refused, the process lives."""

import pathlib
import subprocess
import sys

import keras
import tensorflow as tf

from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.export.endpoints import image_endpoints
from robust_tf.export.saved_model import write_saved_model

TOOL = pathlib.Path(__file__).parents[1] / "tools" / "serving_smoke.py"
INFO = DatasetInfo("toy", (8, 8, 3), ("one", "two"), {}, "")
REQUESTS = 120


def smoke(folder, *flags):
    command = [sys.executable, "-I", str(TOOL), str(folder), "--repeats=3", *flags]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_endpoint_refuses_malformed_requests(tmp_path):
    image = keras.Input(INFO.image_shape)
    network = keras.Model(image, {"map": keras.layers.Conv2D(2, 3)(image)})

    def answer(images):
        return {**network(images), "class_name": tf.fill(tf.shape(images)[:1], "a long name")}

    write_saved_model(tmp_path / "1", image_endpoints(answer, INFO, "Filters"))
    done = smoke(tmp_path, f"--malformed={REQUESTS}")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [line[0] for line in lines] == ["encoded", "serving_default", "uint8"]
    for _, refused, answered, memory, same, *_ in lines:
        assert (int(refused), int(answered), same) == (REQUESTS, 0, "True")
        assert float(memory) < 20


def test_an_endpoint_without_a_guard_fails(tmp_path):
    image = keras.Input(INFO.image_shape)
    network = keras.Model(image, {"mean": keras.layers.GlobalAveragePooling2D()(image)})
    archive = keras.export.ExportArchive()
    archive.track(network)
    spec = tf.TensorSpec([None, *INFO.image_shape], tf.float32, name="image")
    archive.add_endpoint("serve", network, [spec])
    archive.write_out(str(tmp_path / "1"), verbose=False)
    done = smoke(tmp_path / "1", "--malformed=40")
    assert done.returncode == 1 and "serving_default answered float32" in done.stdout


def test_a_folder_without_a_saved_model_is_one_line(tmp_path):
    done = smoke(tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "nowhere holds no SavedModel, nor a folder of versions"
    )
