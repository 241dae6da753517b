"""--train_classes=FILE: a run keeps the names in it, whatever happens to the file."""

import json
import shutil

import keras
import pytest
from eagerly import eagerly

from hm_tf import train
from hm_tf.runs.finished_run import FinishedRun
from hm_tf.runs.saved_run import SavedRun
from robust_tf.errors import UserError
from robust_tf.evaluation.keras_file import KerasFile
from robust_tf.evaluation.saved_signature import SavedSignature
from robust_tf.export.sidecar import sidecar, write_sidecar
from robust_tf.reports.recorded_run import recorded_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run on the digits 0, 2, 4 and the file that says so."""
    folder = tmp_path_factory.mktemp("classes")
    (folder / "classes.txt").write_text("0\n2\n4\n")
    with eagerly():
        assert run(folder) == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the run; the file is the same, as its path is one of the run's flags."""
    (trained / "classes.txt").write_text("0\n2\n4\n")
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path


def run(folder, file=None):
    classes = f"--train_classes={(file or folder) / 'classes.txt'}"
    cheap = "--defense=none", "--source=random", "--train_steps=1", "--eval_steps=1"
    smoke = "--flagfile=flags/hm/smoke.flags", f"--workdir={folder / 'run'}"
    return train.main(["train", *smoke, *cheap, classes])


def kept(folder):
    return json.loads((folder / "run/config.json").read_text()).get("train_classes")


def test_the_run_keeps_the_names(folder, finished_smoke):
    assert kept(folder) == ["0", "2", "4"]
    assert "train_classes" not in json.loads((finished_smoke / "config.json").read_text())


@pytest.mark.parametrize("text", ["1\n3\n", None], ids=["another file", "no file"])
def test_what_it_was_not_trained_on_is_searched(text, folder, trained):
    file = trained / "classes.txt"
    file.unlink() if text is None else file.write_text(text)
    finished = FinishedRun(folder / "run")
    assert set(finished.test_images().labels) == {1, 3, 5, 6, 7, 8, 9}
    assert set(finished.training_images().labels) == {0, 2, 4}


def test_a_file_of_other_classes_is_refused(folder, trained, capsys):
    (trained / "classes.txt").write_text("0\n2\n5\n")
    assert run(folder, trained) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "has other training classes" in line and "differs in 4, 5; restore the file" in line
    (trained / "classes.txt").write_text("4\n0\n\n2")
    assert run(folder, trained) == 0


def test_older_runs_name_the_file_alone(folder, trained):
    config = json.loads((folder / "run/config.json").read_text())
    del config["train_classes"]
    (folder / "run/config.json").write_text(json.dumps(config))
    (folder / "run/digest.json").unlink()
    assert set(FinishedRun(folder / "run").training_images().labels) == {0, 2, 4}
    (trained / "classes.txt").unlink()
    with pytest.raises(UserError, match="--train_classes=.* is not a file"):
        FinishedRun(folder / "run").test_images()


def test_an_export_is_not_evaluated_on_what_it_was_trained_on(folder):
    image = keras.Input((8, 8, 1))
    unit = keras.layers.UnitNormalization()(keras.layers.Flatten()(image))
    network = keras.Model(image, {"embedding": unit})
    network.export(str(folder / "1"), verbose=False)
    config = json.loads((folder / "run/config.json").read_text())
    older = {name: value for name, value in config.items() if name != "train_classes"}

    def searched():
        saved = SavedRun(SavedSignature(folder / "1"), dataset="digits")
        return set(saved.test_images().labels)

    for stored in config, older:  # runs of older versions name the file alone
        (folder / "run/config.json").write_text(json.dumps(stored))
        (folder / "run/digest.json").unlink(missing_ok=True)
        run = FinishedRun(folder / "run")
        entries = sidecar(recorded_run(folder / "run"), network, run, {}, [])
        write_sidecar(folder / "1", entries)
        assert searched() == {1, 3, 5, 6, 7, 8, 9}
    del entries["training"]["classes"]
    write_sidecar(folder / "1", entries)
    with pytest.raises(UserError, match="export the run again"):
        searched()


def test_the_file_of_a_run_is_not_evaluated_on_what_it_was_trained_on(folder):
    """Beside its run; a file elsewhere may be of any classes."""
    (folder / "other").mkdir()
    shutil.copy(folder / "run/final.keras", folder / "other")
    for place, classes in ("run", {1, 3, 5, 6, 7, 8, 9}), ("other", {5, 6, 7, 8, 9}):
        saved = SavedRun(KerasFile(folder / place / "final.keras"), dataset="digits")
        assert set(saved.test_images().labels) == classes
