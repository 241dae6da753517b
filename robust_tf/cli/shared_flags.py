"""The flags that the commands of both papers have."""

import functools
from typing import Any

from robust_tf.cli.flag import (
    RECIPE,
    choice,
    count,
    counts,
    magnitude,
    number,
    numbers,
    path,
    switch,
    text,
)

SCHEDULES = ("onecycle", "cosine")
LARGEST_SEED = 2**32 - 1  # of NumPy's generator, which Keras seeds too
# Sets of image files of any size, which are resized, and of which some may not be decodable.
IMAGE_FILES = {"dataset": ("cub200", "cars196", "sop", "folder")}
_OF_FILES = "(folder, cub200, cars196, sop). From the recipe."
NORMS = ("linf", "l2")
# Who reads the steps of the inner attack, and where they go.
STEPS: dict[str, Any] = {"only": {"inner_attack": ("pgd", "apgd")}, "into": "attack.steps"}
STEP_SIZE: dict[str, Any] = {"only": {"inner_attack": ("pgd",)}, "into": "attack.step_size"}


# Functions of the help, and of more arguments of a `Flag`.
workdir = functools.partial(path, "workdir", None, identity=False, place=True)
data_dir = functools.partial(path, "data_dir", None, identity=False, place=True)
seed = functools.partial(count, "seed", 0, lowest=0, highest=LARGEST_SEED, compared=False)


def radius(default, more="", **about):
    """The radius of an attack."""
    return magnitude("eps", default, f"Radius in [0, 1] pixels, also as 8/255.{more}", **about)


def init_from(more=""):
    """The run that a training starts from."""
    about = f"Run folder whose weights to start from (fine-tuning){more}."
    return path("init_from", None, about)


def optimizer(default):
    """The optimiser of a training."""
    about = "Optimiser; momentum and nesterov: SGD in TensorFlow 1's form."
    return choice("optimizer", default, about, ("adam", "momentum", "nesterov"))


def checks(unit):
    """The checks of a robustness claim, made on so many `unit`."""
    about = f"Whether the numbers can be believed: red, amber, green lines, of 256 or 1000 {unit}."
    return choice("checks", "none", about, ("none", "quick", "full"))


def export_format(*more):
    """The form of an export."""
    about = "Format of the export; onnx and litert need the extras of these names."
    return choice("format", "saved_model", about, ("saved_model", "onnx", "litert", *more))


def max_pixels(default, **more):
    """The size from which on image files are not read."""
    about = f"Files that announce more pixels cannot be read. Default: {default}."
    return count("max_pixels", None, about, **more)


EVALUATED = workdir("Folder of the finished run to evaluate.")
SEED = seed("Seed of weights, batches, attack starts and selections.", into="defense")
LENGTH = (
    count(
        "train_steps",
        RECIPE,
        "Updates in all; a run without --schedule may be continued with more.",
        identity="schedule",
        compared=True,
    ),
    count(
        "checkpoint_every",
        RECIPE,
        "Updates between checkpoints and log lines.",
        identity="held_out",
    ),
    number(
        "save_every_minutes",
        10.0,
        "Minutes after which a checkpoint is written between these, too.",
        identity=False,
    ),
    count("keep_checkpoints", 3, "Checkpoints that stay, the last ones.", identity=False),
)
LIMIT_TEST = count("limit_test", None, "Use the first n test images only.", identity=False)
LIMIT_TRAIN = count("limit_train", None, "Use the first n training images only.")
# The names themselves are kept with a run, and a run with others is refused.
CLASS_NAMES = path(
    "class_names",
    None,
    "File with one class name per line, in the order of the labels. Default: the order of the "
    "folders' names as text.",
    identity=False,
    place=True,
    only={"dataset": ("folder",)},
)
READING = (
    LIMIT_TRAIN,
    count(
        "image_size", None, f"Side in pixels of what a network sees {_OF_FILES}", only=IMAGE_FILES
    ),
    choice(
        "on_bad_image",
        None,
        f"What to do about undecodable files {_OF_FILES}",
        ("fail", "skip"),
        only=IMAGE_FILES,
        compared=False,
    ),
    max_pixels("100 megapixels", only=IMAGE_FILES, compared=False),
    CLASS_NAMES,
    switch(
        "grayscale",
        False,
        "Whether the images of --dataset=folder are read with one channel.",
        only={"dataset": ("folder",)},
    ),
)
SCHEDULE = (
    numbers("learning_rates", RECIPE, "Learning rates of the stretches between boundaries."),
    counts("boundaries", [], "Updates after which the next learning rate holds."),
    choice(
        "schedule",
        None,
        "Instead of boundaries: the rate rises to the first of --learning_rates and falls to 0, "
        "linearly or as a cosine.",
        SCHEDULES,
    ),
    count(
        "warmup_steps",
        None,
        "Updates in which the rate rises. Default: onecycle 40 % of all, cosine 0.",
        lowest=0,
        only={"schedule": SCHEDULES},
    ),
    number(
        "ema",
        None,
        "Decay of the average of weights and batch norm statistics that is evaluated and kept, "
        "e.g. 0.9995.",
    ),
)
# Parts of a recipe that both papers leave out; a package says who reads the second.
AWP = number(
    "awp",
    0.0,
    "Adversarial weight perturbation: radius in norms of a kernel, e.g. 0.005.",
    into="defense",
)
INNER_ATTACK = choice(
    "inner_attack",
    "pgd",
    "fgsm_rs: one step of 1.25 * eps from a random start; n_fgsm: one step of eps from a noisy "
    "image; apgd: from a random start, with steps that adapt.",
    ("pgd", "fgsm_rs", "n_fgsm", "apgd"),
    into="attack.kind",
)
EPS_WARMUP = count(
    "eps_warmup_steps",
    0,
    "Updates in which the radius of the inner attack grows.",
    lowest=0,
    into="defense",
)
NETWORK = (
    choice(
        "precision",
        "float32",
        "Keras policy of the network.",
        ("float32", "mixed_bfloat16", "mixed_float16"),
    ),
    choice(
        "jit_compile",
        "auto",
        "XLA; auto: on a GPU only.",
        ("auto", "true", "false"),
        compared=False,
    ),
)
_LOGICAL_CPUS = count(
    "logical_cpus", 1, "Divide the processor into n devices (tests of replicas).", identity=False
)
DEVICES = (
    *NETWORK,
    choice(
        "deterministic",
        "auto",
        "Kernels that add up in one order: the same bits again; auto: on a CPU only, where it is "
        "free. XLA is then off.",
        ("auto", "true", "false"),
        compared=False,
    ),
    choice(
        "strategy",
        "auto",
        "auto: as many GPUs as divide the batch (hm_tf: into whole shards); multi_worker: all of "
        "the machines that TF_CONFIG names.",
        ("auto", "one_device", "mirrored", "multi_worker"),
        identity=False,
    ),
    _LOGICAL_CPUS,
    counts(
        "profile_steps",
        [],
        "First and last update of a profile for TensorBoard, e.g. 20,24.",
        identity=False,
        compared=False,
    ),
)
EVALUATION_DEVICES = (
    choice(
        "strategy",
        "auto",
        "auto, mirrored: all GPUs; each attacks a batch of its own. No image's outcome changes.",
        ("auto", "one_device", "mirrored"),
    ),
    _LOGICAL_CPUS,
)
DATA_OF_A_FOLDER = data_dir("Folder of a --dataset=folder run. Default: of the training.")
EXPORT = {
    "Run": (
        workdir("Folder of the finished run to export. Required."),
        DATA_OF_A_FOLDER,
        path("export_dir", None, "Where the SavedModel goes, as <export_dir>/1, /2, ... Required."),
        count("limit_test", 500, "Test images that the SavedModel is attacked on, the first n."),
    )
}
# Of a SavedModel or .keras file in the place of a run.
SIGNATURE = (
    text("input_range", "0,1", "What it takes for black and white, e.g. 0,255."),
    text("endpoint", "serving_default", "Signature of the SavedModel."),
)
DATA_OF_A_MODEL = (
    text("dataset", None, "Its data; this or --images is required, as is --eps."),
    path("images", None, "X.npz instead of a data set: images (uint8 or [0, 1]), labels."),
    max_pixels("100 megapixels", only=IMAGE_FILES),
)
FRESH = switch("fresh", False, "Attack again what is stored in RUN.")
PAGE = path("output", "report.html", "File of the page.")
PAGE_OF_A_COMPARISON = path("html", None, "File of a page of this comparison. Default: none.")
