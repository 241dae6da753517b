"""A place that cannot be written is said before any work."""

import os
import pathlib

import keras
import numpy as np
import pytest

from hm_tf import export as hm_export
from hm_tf import report as hm_report
from robust_tf.errors import UserError
from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.results import atomic, jsonl
from robust_tf.results.cache import digest
from robust_tf.results.output_place import require_file, require_folder
from robust_tf.runs import lock
from robust_tf.runs.run_folder import RunFolder
from tla_tf import export as tla_export
from tla_tf import report as tla_report


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").touch()
    return tmp_path / "file"


def test_places_that_can_be_written_are_not_made(file, tmp_path):
    require_folder("output_dir", tmp_path)
    require_folder("output_dir", tmp_path / "new" / "deep")
    require_folder("output_dir", "new")
    require_file("output", file)
    require_file("output", tmp_path / "new" / "page.html")
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_no_folder_and_a_folder_no_file(file, tmp_path):
    for folder in (file, file / "figures", file / "figures" / "deep"):
        with pytest.raises(UserError, match=f"--output_dir={folder}: {file} is no folder"):
            require_folder("output_dir", folder)
    with pytest.raises(UserError, match=f"--output={file}/x cannot be written: {file} is no"):
        require_file("output", file / "x")
    with pytest.raises(UserError, match="cannot be written: it is a folder; name a file"):
        require_file("output", tmp_path)


def test_a_folder_that_tensorflow_cannot_write_to_is_refused(tmp_path):
    """It would fail at the first log or checkpoint, after the images were read."""
    latin = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    with pytest.raises(UserError, match=r"caf\\xe9/run: its path is not UTF-8"):
        require_folder("workdir", latin / "run")


def test_what_may_not_be_written_is_refused(file, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=f"{tmp_path} is no folder to write to"):
        require_folder("workdir", tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != os.fspath(file))
    with pytest.raises(UserError, match="cannot be written: no permission"):
        require_file("output", file)


COMMANDS = [
    (tla_report, "output"),
    (hm_report, "output"),
    (hm_report, "figures_dir"),
    (tla_export, "export_dir"),
    (hm_export, "export_dir"),
]


@pytest.mark.parametrize("command, flag", COMMANDS, ids=[f"{c.__name__}-{f}" for c, f in COMMANDS])
def test_commands_say_it_before_they_open_the_run(command, flag, file, capsys):
    assert command.main(["command", "--workdir=nowhere", f"--{flag}={file}/deep/x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --{flag}=") and f"{file} is no folder to write to" in line


def hold(folder):
    with lock.held(folder, shared=True):
        pass


def keep_images(folder):
    images = AdversarialImages(folder / "fgsm.npz", {}, (2, 1, 1, 1))
    images._write(np.arange(2), np.ones((2, 1, 1, 1), np.float32), np.ones(2, bool))
    images.save(np.zeros(2, bool))


def save_network(folder):
    network = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    RunFolder(folder).save_network(network, folder / "final.keras")


@pytest.mark.parametrize("to", ["a file", "nothing", "a folder"])
@pytest.mark.parametrize(
    "name, write",
    [
        ("lock", hold),
        ("results.jsonl", lambda folder: jsonl.append(folder / "results.jsonl", [{}])),
        ("config.json.{pid}.partial", lambda f: atomic.write(f / "config.json", "{}")),
        (f"fgsm-{digest({})}.partial", keep_images),
        ("fgsm.unfinished.npz", keep_images),
        ("partial.keras", save_network),
    ],
)
def test_what_a_link_in_the_folder_of_another_leads_to_is_left_alone(name, write, to, tmp_path):
    places = {kind: tmp_path / kind for kind in ("a file", "nothing", "a folder")}
    places["a file"].write_text("of the user")
    places["a folder"].mkdir()
    run, name = tmp_path / "run", name.format(pid=os.getpid())
    run.mkdir()
    (run / name).symlink_to(places[to])
    try:
        write(run)
    except UserError as error:
        assert f"{name} is a link" in str(error)
    assert places["a file"].read_text() == "of the user"
    assert not places["nothing"].exists() and not list(places["a folder"].iterdir())
