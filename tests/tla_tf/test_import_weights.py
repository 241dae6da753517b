"""The command: a run folder of foreign weights that every other command takes."""

import json

import keras
import numpy as np
import pytest

from robust_tf import data
from robust_tf.models import registry
from robust_tf.models.assign_weights import named_variables
from robust_tf.runs.run_folder import RunFolder
from tla_tf import evaluate, export, import_weights
from tla_tf.imported import architectures, tf1_names
from tla_tf.runs.finished_run import FinishedRun


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small LeNet that knows the digits, saved under the names of the TLA authors' code."""
    keras.utils.set_random_seed(0)
    digits = data.open("digits")
    network = registry.get("lenet_small", digits.info)
    examples = digits.load("train")
    classifier = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(1e-3), loss)
    images = np.asarray(examples.images, np.float32)
    images = images / 255 if examples.images.dtype == np.uint8 else images
    classifier.fit(images, examples.labels, batch_size=64, epochs=2, verbose=0)
    arrays = {
        tf1_names.small_lenet(layer.name, variable.name): variable.numpy()
        for layer in network.layers
        for variable in layer.weights
    }
    path = tmp_path_factory.mktemp("weights") / "digits.npz"
    np.savez(path, **arrays)
    return path


def run(*flags):
    return import_weights.main(["import_weights", *flags])


def import_digits(path, folder, *more):
    architecture = ["--architecture=tla_mnist_small", "--dataset=digits", f"--workdir={folder}"]
    return run(f"--checkpoint={path}", *architecture, *more)


@pytest.fixture(scope="module")
def imported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported") / "run"
    assert import_digits(trained, folder) == 0
    return folder


def test_run_folder(imported, trained):
    finished = FinishedRun(imported)
    assert finished.flags["method"] == "imported" and finished.flags["checkpoint"] == str(trained)
    config = json.loads((imported / "config.json").read_text())
    assert config["class_names"] == list("0123456789")
    with np.load(trained) as arrays:
        kernel = finished.network().get_layer("dense").kernel
        np.testing.assert_array_equal(kernel, arrays["fcw1/DW"])


@pytest.mark.usefixtures("eager", "forked_reload")
def test_evaluate_and_export(imported, tmp_path, capsys):
    flags = [f"--workdir={imported}", "--limit_test=40"]
    assert evaluate.main(["evaluate", *flags, "--attacks=clean,pgd5"]) == 0
    results = (RunFolder(imported).results).read_text()
    assert '"imported"' in results and "pgd5" in results
    assert export.main(["export", *flags, f"--export_dir={tmp_path}"]) == 0


def import_wide(folder, *flags, normalised, prefix=""):
    """Imports a small network of RobustBench's names, with or without `mu` 0 and `sigma` 1."""
    architecture = architectures.get("robustbench_wrn_28_10").sized(10, 1)
    network = registry.get(architecture.model, data.open("digits").info)
    arrays = {}
    for key, variable in named_variables(network).items():
        name, value = architecture.tensor_name(*key.split("/")), variable.numpy()
        if normalised or name not in architecture.optional:
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            arrays[prefix + name] = value
    np.savez(folder / "weights.npz", **arrays)
    sizes = ["--architecture=robustbench_wrn_28_10", "--depth=10", "--width=1", "--dataset=digits"]
    file, workdir = f"--checkpoint={folder / 'weights.npz'}", f"--workdir={folder / 'run'}"
    return run(file, workdir, *sizes, *flags)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.filterwarnings("ignore:clean accuracy")
def test_whether_the_file_holds_a_normalisation(normalised, prefix, tmp_path, capsys):
    assert import_wide(tmp_path, normalised=normalised, prefix=prefix) == 0
    assert ("without a normalisation" in capsys.readouterr().out) != normalised


@pytest.mark.filterwarnings("ignore:clean accuracy")
def test_a_typed_normalisation_does_not_replace_the_files(tmp_path, capsys):
    typed = ["--pixel_mean=0", "--pixel_std=0.25"]
    assert import_wide(tmp_path, *typed, normalised=True, prefix="module.") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --pixel_std is 0.25, but the file's sigma is 1;")
    assert not (tmp_path / "run").exists()
    assert import_wide(tmp_path, "--pixel_mean=0", "--pixel_std=1", normalised=True) == 0


def test_swapped_axes_are_doubted(trained, tmp_path, capsys):
    """The kernel is square, so its shape tells nothing."""
    with np.load(trained) as arrays:
        found = dict(arrays)
    found["fcw1/DW"] = np.swapaxes(found["fcw1/DW"].reshape(16, 16, 1024), 0, 1).reshape(-1, 1024)
    found["conv_w2/DW"] = np.swapaxes(found["conv_w2/DW"], 0, 1)
    np.savez(tmp_path / "swapped.npz", **found)
    with pytest.warns(UserWarning, match="transposed"):
        assert import_digits(tmp_path / "swapped.npz", tmp_path / "run") == 0


@pytest.mark.parametrize(
    "flags, reason",
    [
        ([], "--checkpoint is required"),
        (["--checkpoint=a", "--architecture=vgg", "--workdir=b"], "tla_mnist_small"),
        (["--checkpoint=a", "--architecture=madry_mnist", "--workdir=b"], "does not exist"),
        (
            ["--checkpoint=a", "--architecture=madry_mnist", "--workdir=b", "--depth=3"],
            "fixed --depth",
        ),
        (
            ["--checkpoint=a", "--architecture=tla_mlp", "--workdir=b", "--pixel_mean=x"],
            "'x' is not a number",
        ),
    ],
)
def test_wrong_flags(flags, reason, capsys):
    assert run(*flags) == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ") and reason in text and len(text.splitlines()) == 1


def test_other_architecture_is_one_line(trained, tmp_path, capsys):
    flags = ["--architecture=madry_mnist", "--dataset=digits", f"--workdir={tmp_path / 'run'}"]
    assert run(f"--checkpoint={trained}", *flags) == 2
    assert "Variable is missing" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused(imported, tmp_path, capsys):
    assert import_digits(imported.parent / "none.npz", imported) == 2
    capsys.readouterr()
    (tmp_path / "note.txt").write_text("mine")
    assert import_digits(tmp_path / "none.npz", tmp_path) == 2


def test_list(capsys):
    assert run("--list") == 0
    assert "MadryLab" in capsys.readouterr().out
