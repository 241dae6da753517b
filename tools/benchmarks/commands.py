"""The subcommands of tools/benchmark.py with their flags; free of TensorFlow."""

import ast
import dataclasses
import pathlib

import hm_tf.options
import tla_tf.options
from robust_tf.cli.flag import choice, count, magnitude, names, path, paths, switch, text
from robust_tf.cli.flag_table import FlagTable


def file_of(name, given):
    """Returns the file of a benchmark; of training the folder of the flagfile decides, tla or hm.

    Args:
        name: str, what the user typed, one of `typed_names`.
        given: list of str, the arguments behind it.
    """
    if name != "training":
        return name
    files = [argument for argument in given if argument.endswith(".flags")]
    folders = {pathlib.PurePath(file).parent.name for file in files}
    return "hm_training" if "hm" in folders else "tla_training"


def typed_names():
    """Returns what a user may type."""
    return ["training", *(file for file in TABLES if not file.endswith("_training"))]


def about(file):
    """Returns what --help says of a benchmark: its docstring, read without TensorFlow."""
    code = pathlib.Path(__file__).with_name(f"{file}.py").read_bytes()
    return ast.get_docstring(ast.parse(code))


def _with(table, *flags):
    """A table with the flags of a benchmark beside those of a training."""
    return dataclasses.replace(table, groups={**table.groups, "Benchmark": flags})


def _rounds(default):
    return count("rounds", default, "How often each row is timed.")


_TLA = _with(tla_tf.options.TRAIN, _rounds(15))
_TRAINING = _with(
    tla_tf.options.TRAIN,
    _rounds(15),
    text("rows", None, "Methods to time, e.g. 'at;tla, pool=batch'. Default: all."),
)
_HM = _with(
    hm_tf.options.TRAIN,
    _rounds(15),
    count("updates", 100, "Updates of training in which the saturation stop is counted."),
    text("rows", None, "Parts of a recipe to time relative to HM instead, e.g. 'hm;hm, --awp'."),
)
_LOOP = _with(
    tla_tf.options.TRAIN,
    _rounds(5),
    count("updates", 50, "Updates of a round.", lowest=2),
)
_ATTACKS = _with(
    tla_tf.options.TRAIN,
    _rounds(5),
    count("restarts", 20, "Of PGD-20 against cleverhans; 0: without, on a new network.", lowest=0),
    count("images", 256, "Test images of that comparison."),
)
_RETRIEVAL = FlagTable(
    {
        "Benchmark": (
            _rounds(5),
            count("images", 60502, "In the gallery."),
            count("width", 512, "Of the embeddings."),
            count("classes", 11316, "Small classes, of 2 images and more."),
            count("big_classes", 12, "In the variant with few classes."),
            count("queries", 2048, "Of each timed row."),
            count("nmi_images", 10000, "In the gallery of NMI, with as many images per class."),
        )
    }
)
_RANKING_ATTACKS = FlagTable(
    {
        "Benchmark": (
            _rounds(5),
            choice("model", "resnet18", "64 pixels, or the 28 of MNIST.", ("resnet18", "c2f2")),
            count("batch_size", 32, "Images attacked together."),
            count("steps", 8, "Steps of each timed attack; they share the work that is done once."),
            names("galleries", ["10000", "60502"], "Numbers of images in the database."),
            names("attacks", [], "Default: all."),
        )
    }
)
_AUTOATTACK = FlagTable(
    {
        "Benchmark": (
            paths("workdir", [], "Finished runs of tla_tf, separated by commas. Required."),
            path("data_dir", None, "Folder of the data sets. Default: as the run."),
            count("images", 1000, "Test images of each run."),
            magnitude("eps", None, "Radius. Default: as the run."),
            choice("norm", None, "Norm of the ball. Default: as the run.", ("linf", "l2")),
            names("ends", ["logits"], "Ends of the network: see tools/benchmarks/autoattack.py."),
            count("batch_size", 250, "Images attacked together."),
            switch("jit_compile", False, "XLA compiles the attacks."),
            switch("whole_batches", False, "Time standard without early exit, too."),
            path("torch", None, "Python with torch, torchattacks and Keras: the outside clock."),
        )
    }
)

# File of a benchmark -> its flags.
TABLES = {
    "tla_training": _TRAINING,
    "hm_training": _HM,
    "loop": _LOOP,
    "input": _TLA,
    "overhead": _TLA,
    "precision": _TLA,
    "attacks": _ATTACKS,
    "autoattack": _AUTOATTACK,
    "retrieval": _RETRIEVAL,
    "ranking_attacks": _RANKING_ATTACKS,
    "serving": FlagTable({"Benchmark": (_rounds(200),)}),
    "search": FlagTable(
        {"Benchmark": (_rounds(200), count("images", 60502, "In the gallery.", lowest=10))}
    ),
}
