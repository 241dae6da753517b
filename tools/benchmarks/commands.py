"""The subcommands of tools/benchmark.py with their flags; free of TensorFlow."""

import dataclasses
import pathlib
from typing import NamedTuple

import hm_tf.options
import tla_tf.options
from robust_tf.cli.flag import choice, count, magnitude, names, path, paths, switch, text
from robust_tf.cli.flag_table import FlagTable

RANDOM = "Images are random where no --data_dir is given. Other flags are those of {}.train."


class Command(NamedTuple):
    """A benchmark: what --help says, its flags, and its file."""

    about: str
    table: FlagTable
    file: str


def find(name, given):
    """Returns the Command called `name`; training is that of the flagfile's folder, tla or hm."""
    files = [argument for argument in given if argument.endswith(".flags")]
    folders = {pathlib.PurePath(file).parent.name for file in files}
    if name == "training" and "hm" in folders:
        name = "hm_training"
    return _COMMANDS[name]


def typed_names():
    """Returns what a user may type."""
    return [name for name in _COMMANDS if name != "hm_training"]


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
            count("steps", 8, "Of each timed attack; what is computed once counts among them."),
            names("galleries", ["10000", "60502"], "Numbers of images in the database."),
            names("attacks", [], "Default: all."),
        )
    }
)
_AUTOATTACK = FlagTable(
    {
        "Benchmark": (
            paths("workdir", [], "Finished runs of tla_tf, separated by commas. Required."),
            path("data_dir", None, "Folder of the data sets. Default: that of the run."),
            count("images", 1000, "Test images of each run."),
            magnitude("eps", None, "Radius. Default: that of the run."),
            choice("norm", "linf", "Of the ball.", ("linf", "l2")),
            names("ends", ["logits"], "Ends of the network: see tools/benchmarks/autoattack.py."),
            count("batch_size", 250, "Images attacked together."),
            switch("jit_compile", False, "XLA compiles the attacks."),
            switch("whole_batches", False, "Time standard without early exit, too."),
            path("torch", None, "Python with torch, torchattacks and Keras: the outside clock."),
        )
    }
)


_COMMANDS = {
    "training": Command(
        "A train step of every method of tla_tf relative to AT, and the shares of attack, mining "
        "and input in it.\nMining is the forward pass of the candidates and the selection of "
        "triplets; the gradient through\ncandidates from the batch counts as training. The input "
        "is made ahead of the step, on other threads.\nThen a PGD step relative to a bare compiled "
        "forward-plus-input-gradient pass. With a flagfile of\nflags/hm/: the step "
        "of HM, see there. " + RANDOM.format("tla_tf"),
        _TRAINING,
        "tla_training",
    ),
    "hm_training": Command(
        "The step of HM relative to its bare passes, and the attack steps that the saturation stop "
        "saves.\nThe timed step makes all attack steps. The saving is counted in updates of real "
        "training from the start.\nWith --rows instead: a step with a part of a recipe, relative "
        "to HM.\n" + RANDOM.format("hm_tf"),
        _HM,
        "hm_training",
    ),
    "loop": Command(
        "A step of tla_tf.train, with its input, logs and metrics, against the bare compiled step; "
        "host\nround trips; TFLOP/s, and their share of what the device reaches in a convolution.\n"
        + RANDOM.format("tla_tf"),
        _LOOP,
        "loop",
    ),
    "input": Command(
        "How many times faster the pipeline feeds, batch after batch, than a step of tla_tf "
        "consumes.\n" + RANDOM.format("tla_tf"),
        _TLA,
        "input",
    ),
    "overhead": Command(
        "What a training of tla_tf costs beside its steps: checkpoints, which are waited for here,\n"
        "guards and metrics, as shares of a step. --workdir names the folder of the disk to write "
        "to.\n" + RANDOM.format("tla_tf"),
        _TLA,
        "overhead",
    ),
    "precision": Command(
        "A train step of AT in float32 against mixed_bfloat16.\n" + RANDOM.format("tla_tf"),
        _TLA,
        "precision",
    ),
    "attacks": Command(
        "The attacks on a classifier: PGD step against a bare pass and against cleverhans, "
        "bfloat16,\npeak memory, and PGD-20 with restarts on images still right against the same "
        "work through\ncleverhans. On the networks of --workdir=RUN[,RUN2], finished runs of "
        "tla_tf.train, the second\na defended one; without it on two that are trained here with "
        "the flags of tla_tf.train.",
        _ATTACKS,
        "attacks",
    ),
    "autoattack": Command(
        "AutoAttack's versions standard and fast, accuracy, light and cost of each, on finished "
        "runs and\non ends of them that hide gradients; and torchattacks' AutoAttack on the same "
        "network.",
        _AUTOATTACK,
        "autoattack",
    ),
    "retrieval": Command(
        "Retrieval metrics of random unit embeddings against the bare matrix product, with class "
        "sizes\nlike those of Stanford Online Products and with few big classes.",
        _RETRIEVAL,
        "retrieval",
    ),
    "ranking_attacks": Command(
        "A step of every ranking attack against a bare forward-plus-input-gradient pass of the "
        "same batch.",
        _RANKING_ATTACKS,
        "ranking_attacks",
    ),
    "serving": Command(
        "The endpoint serving_default of SavedModels with random weights, with and without its "
        "guard,\nrelative to the bare network.",
        FlagTable({"Benchmark": (_rounds(200),)}),
        "serving",
    ),
    "search": Command(
        "A query to the endpoint search of a SavedModel: the image is checked and embedded, its "
        "nearest\nimages are found and compared with brute force. Gallery: random unit embeddings.",
        FlagTable(
            {"Benchmark": (_rounds(200), count("images", 60502, "In the gallery.", lowest=10))}
        ),
        "search",
    ),
}
