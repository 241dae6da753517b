"""The subcommands of tools/benchmark.py with their flags; free of TensorFlow."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import hm_tf.flags
import tla_tf.flags
from robust_tf.cli.flag_topics import Topic

RANDOM = "Images are random where no --data_dir is given. Other flags are those of {}.train."


class Command(NamedTuple):
    """A benchmark: what --help says, its flags, the family of its recipes, and its file."""

    about: str
    define: Callable
    family: str | None
    file: str


def find(name, given):
    """Returns the Command called `name`; training is that of the flagfile's folder, tla or hm."""
    folders = {pathlib.PurePath(argument).parent.name for argument in given}
    if name == "training" and "hm" in folders:
        name = "hm_training"
    return _COMMANDS[name]


def names():
    """Returns what a user may type."""
    return [name for name in _COMMANDS if name != "hm_training"]


def _rounds(flag_values, default):
    topic = Topic("Benchmark", flag_values)
    topic.count("rounds", default, "How often each row is timed.")
    return topic


def _tla(flag_values):
    tla_tf.flags.define_train(flag_values)
    _rounds(flag_values, 15)


def _hm(flag_values):
    hm_tf.flags.define_train(flag_values)
    topic = _rounds(flag_values, 15)
    topic.count("updates", 100, "Updates of training in which the saturation stop is counted.")


def _attacks(flag_values):
    tla_tf.flags.define_train(flag_values)
    topic = _rounds(flag_values, 5)
    topic.count("restarts", 20, "Of PGD-20 against cleverhans; 0: without, on a new network.", 0)
    topic.count("images", 256, "Test images of that comparison.")


def _retrieval(flag_values):
    topic = _rounds(flag_values, 5)
    topic.count("images", 60502, "In the gallery.")
    topic.count("width", 512, "Of the embeddings.")
    topic.count("classes", 11316, "Small classes, of 2 images and more.")
    topic.count("big_classes", 12, "In the variant with few classes.")
    topic.count("queries", 2048, "Of each timed row.")
    topic.count("nmi_images", 10000, "In the gallery of NMI, with as many images per class.")


def _ranking_attacks(flag_values):
    topic = _rounds(flag_values, 5)
    topic.choice("model", "resnet18", ("resnet18", "c2f2"), "64 pixels, or the 28 of MNIST.")
    topic.count("batch_size", 32, "Images attacked together.")
    topic.count("steps", 8, "Of each timed attack; what is computed once counts among them.")
    topic.numbers("galleries", ["10000", "60502"], "Numbers of images in the database.")
    topic.numbers("attacks", [], "Default: all.")


_COMMANDS = {
    "training": Command(
        "A train step of every method of tla_tf relative to AT, and the shares of attack, mining "
        "and input in it.\nMining is the forward pass of the candidates and the selection of "
        "triplets; the gradient through\ncandidates from the batch counts as training. The input "
        "is made ahead of the step, on other threads.\nThen a PGD step relative to a bare compiled "
        "forward-plus-input-gradient pass. With a flagfile of\nflags/hm/: the step "
        "of HM, see there. " + RANDOM.format("tla_tf"),
        _tla,
        "tla",
        "tla_training",
    ),
    "hm_training": Command(
        "The step of HM relative to its bare passes, and the attack steps that the saturation stop "
        "saves.\nThe timed step makes all attack steps. The saving is counted in updates of real "
        "training from the start.\n" + RANDOM.format("hm_tf"),
        _hm,
        "hm",
        "hm_training",
    ),
    "input": Command(
        "How many times faster the pipeline feeds, batch after batch, than a step of tla_tf "
        "consumes.\n" + RANDOM.format("tla_tf"),
        _tla,
        "tla",
        "input",
    ),
    "precision": Command(
        "A train step of AT in float32 against mixed_bfloat16.\n" + RANDOM.format("tla_tf"),
        _tla,
        "tla",
        "precision",
    ),
    "attacks": Command(
        "The attacks on a classifier: PGD step against a bare pass and against cleverhans, "
        "bfloat16,\npeak memory, and PGD-20 with restarts on images still right against the same "
        "work through\ncleverhans. On the networks of --workdir=RUN[,RUN2], finished runs of "
        "tla_tf.train, the second\na defended one; without it on two that are trained here with "
        "the flags of tla_tf.train.",
        _attacks,
        "tla",
        "attacks",
    ),
    "retrieval": Command(
        "Retrieval metrics of random unit embeddings against the bare matrix product, with class "
        "sizes\nlike those of Stanford Online Products and with few big classes.",
        _retrieval,
        None,
        "retrieval",
    ),
    "ranking_attacks": Command(
        "A step of every ranking attack against a bare forward-plus-input-gradient pass of the "
        "same batch.",
        _ranking_attacks,
        None,
        "ranking_attacks",
    ),
}
