"""--model, --images, --input_range and --class_names of tla_tf.evaluate; where records go."""

import shutil

import keras
import numpy as np
import pytest

from robust_tf import data
from robust_tf.results.result import read_results
from tla_tf import TripletAdversarial, evaluate
from tla_tf.evaluation.run_evaluation import RunEvaluation

N = 40
EAGER = pytest.mark.usefixtures("eager")
# Their graph is not the graph of a functional model.
TRACED = ("subclass.keras", "raw")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A classifier by the nearest mean image, in several forms, and arrays of test images."""
    folder = tmp_path_factory.mktemp("models")
    train, test = data.open("digits").load("train"), data.open("digits").load("test", N)
    pixels = train.images.reshape(len(train), -1).astype(np.float32) / 255
    means = np.stack([pixels[train.labels == k].mean(axis=0) for k in range(10)])
    for name, scale, order in (
        ("plain", 1, range(10)),
        ("raw", 255, range(10)),
        ("turned", 1, range(9, -1, -1)),
    ):
        image = keras.Input((8, 8, 1))
        layer = keras.layers.Dense(10)
        model = keras.Model(image, layer(keras.layers.Flatten()(image)))
        kept = means[list(order)]
        layer.set_weights([2 * kept.T / scale, -np.square(kept).sum(axis=1)])
        model.save(folder / f"{name}.keras")
        if name == "plain":
            save_other_forms(model, folder)
            model.save(folder / "plain.h5")
        model.export(str(folder / name), verbose=False)
    np.savez(folder / "test.npz", x=test.images, y=test.labels)
    (folder / "names.txt").write_text("\ufeff" + "\n".join("9876543210"), "utf-8")
    return folder


@keras.saving.register_keras_serializable("test")
class Subclass(keras.Model):
    """A model without a graph."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, images):
        return self.inner(images)

    def get_config(self):
        return {"inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["inner"]))


def save_other_forms(model, folder):
    """The same network as other models that Keras saves."""
    softmax = keras.layers.Softmax()
    keras.Sequential([*model.layers, softmax]).save(folder / "sequential.keras")
    TripletAdversarial(model, eps=0.1, embedding="logits").save(folder / "defense.keras")
    subclass = Subclass(model)
    subclass(np.zeros([1, 8, 8, 1], np.float32))
    subclass.save(folder / "subclass.keras")
    keras.Sequential(model.layers[1:]).save(folder / "shapeless.keras")
    keras.Model(model.inputs, [model.output, model.output]).save(folder / "nameless.keras")


def command(*flags):
    flags = ["--eps=0.1", "--attacks=clean,fgsm", f"--limit_test={N}", *flags]
    return evaluate.main(["evaluate", *flags])


def measured(folder):
    """(clean, fgsm) images correct of the last evaluation."""
    found = read_results(folder / "results.jsonl")[-3:]
    return [(result.attack, result.correct) for result in found][:2]


@pytest.fixture(scope="module")
def expected(place):
    assert command(f"--model={place / 'plain.keras'}", "--dataset=digits") == 0
    found = measured(place / "plain.keras.evaluation")
    assert dict(found)["clean"] > 0.8 * N
    return found


@pytest.mark.parametrize(
    "name, flags",
    [
        ("plain.keras", ["--images={}/test.npz"]),
        ("sequential.keras", ["--dataset=digits"]),
        ("defense.keras", ["--dataset=digits"]),
        ("subclass.keras", ["--dataset=digits"]),
        ("raw.keras", ["--dataset=digits", "--input_range=0,255"]),
        ("turned.keras", ["--dataset=digits", "--class_names={}/names.txt"]),
        ("raw", ["--images={}/test.npz", "--input_range=0,255", "--output=output_0"]),
    ],
)
def test_the_same_network_in_another_form_has_the_same_numbers(
    place, expected, name, flags, request
):
    if name not in TRACED:
        request.getfixturevalue("eager")
    flag = "model" if name.endswith(".keras") else "saved_model"
    flags = [part.format(place) for part in flags]
    assert command(f"--{flag}={place / name}", *flags) == 0
    assert measured(place / f"{name}.evaluation") == expected


@pytest.mark.parametrize("jit_compile", ["true", "false"])
def test_xla_compiles_attacks_on_a_keras_file(place, monkeypatch, jit_compile):
    init, chosen = RunEvaluation.__init__, []

    def noted(evaluation, *args, jit_compile, **settings):
        chosen.append(jit_compile)
        init(evaluation, *args, jit_compile=False, **settings)

    monkeypatch.setattr(RunEvaluation, "__init__", noted)
    flags = ["--dataset=digits", "--attacks=clean", f"--jit_compile={jit_compile}"]
    assert command(f"--model={place / 'plain.keras'}", *flags) == 0
    assert chosen == [jit_compile == "true"]


@EAGER
@pytest.mark.parametrize(
    "name, flags",
    [("plain.keras", []), ("raw", ["--output=output_0", "--input_range=0,255"])],
)
def test_a_few_images_need_not_be_of_every_class(place, tmp_path, name, flags):
    test = data.open("digits").load("test", N)
    few = test.labels < 5
    np.savez(tmp_path / "few.npz", x=test.images[few], y=test.labels[few])
    flag = "model" if name.endswith(".keras") else "saved_model"
    images = [f"--images={tmp_path / 'few.npz'}", "--attacks=clean"]
    assert command(f"--{flag}={place / name}", *images, *flags) == 0
    clean = read_results(place / f"{name}.evaluation" / "results.jsonl")[-1]
    assert clean.n == few.sum() and clean.value > 0.8


@EAGER
def test_a_wrong_range_gets_a_line(place, capsys):
    assert command(f"--model={place / 'turned.keras'}", "--dataset=digits") == 0
    said = capsys.readouterr().out
    assert "clean accuracy is near chance (10.0 %): images go in as [0, 1]" in said
    assert "labels are 0=0 1=1" in said
    flags = ["--dataset=digits", "--input_range=0,255"]
    assert command(f"--model={place / 'turned.keras'}", *flags) == 0
    assert "images go in as [0, 255] (--input_range); labels" in capsys.readouterr().out


@EAGER
def test_photos_of_a_folder_are_read_as_the_network_takes_them(place, tmp_path, caplog):
    """In colour, of other sizes, one too large; the network takes 8x8 in gray."""
    test = data.open("digits").load("test", N)
    for number, (image, label) in enumerate(zip(test.images, test.labels)):
        path = tmp_path / str(label) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        large = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
        keras.utils.save_img(path, np.repeat(large, 3, axis=-1), scale=False)
    keras.utils.save_img(tmp_path / "0" / "-1.png", np.zeros([17, 16, 3]), scale=False)
    for split in ("train", "test"):
        shutil.copytree(tmp_path, tmp_path / split, ignore=lambda *_: ["train", "test"])
    flags = ["--dataset=folder", f"--data_dir={tmp_path}", "--max_pixels=256"]
    assert command(f"--model={place / 'plain.keras'}", *flags) == 0
    clean, _ = measured(place / "plain.keras.evaluation")
    assert clean[1] > 0.8 * N
    assert "1 image file has more pixels than --max_pixels=256" in caplog.text


@EAGER
def test_the_folder_one_stands_in_is_a_saved_model_too(place, expected, monkeypatch):
    monkeypatch.chdir(place / "plain")
    flags = ["--dataset=digits"]  # its only output is Keras's output_0
    assert command("--saved_model=.", *flags) == 0
    assert measured(place / "plain.evaluation") == expected
    monkeypatch.chdir(place / "plain" / "variables")
    assert command("--saved_model=..", "--fresh", *flags) == 0
    assert len(read_results(place / "plain.evaluation" / "results.jsonl")) == 6


@EAGER
@pytest.mark.parametrize(
    "flags, said",
    [
        (["--model=nowhere.keras", "--dataset=digits"], "nowhere.keras is not a file"),
        (["--model={}/test.npz", "--dataset=digits"], "cannot be loaded"),
        (["--model={}/plain.h5", "--dataset=digits"], "is no .keras file"),
        (["--model={}/shapeless.keras", "--dataset=digits"], "does not know its image shape"),
        (["--model={}/nameless.keras", "--dataset=digits"], "has 2 outputs; name them"),
        (["--saved_model={}/plain.keras", "--dataset=digits"], "take the file as --model=FILE"),
        (["--model={}/plain.keras"], "--dataset or --images"),
        (["--model={}/plain.keras", "--dataset=digits", "--endpoint=x"], "--endpoint does nothing"),
        (["--model={}/plain.keras", "--images=nowhere.npz"], "cannot be read"),
        (["--model={}/plain.keras", "--images={}/names.txt"], "cannot be read"),
        (["--model={}/plain.keras", "--dataset=digits", "--input_range=0"], "two numbers"),
        (["--model={}/plain.keras", "--dataset=digits", "--input_range=1,0"], "must be above"),
        (
            ["--model={}/defense.keras", "--dataset=digits", "--input_range=0,255"],
            "a defense takes images in [0, 1]; leave --input_range out",
        ),
        (["--model={}/plain.keras", "--dataset=digits", "--class_names=x"], "is not a file"),
        (["--model={}/plain.keras", "--saved_model=x", "--dataset=digits"], "two places of a net"),
        (["--model={}/names.txt", "--dataset=digits"], "is no .keras file, or is cut off"),
    ],
)
def test_mistakes(place, flags, said, capsys):
    assert command(*(part.format(place) for part in flags)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
