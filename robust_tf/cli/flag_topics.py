"""Flags under headings, and those that every command of this project shares."""

import math
import os

from absl import flags

from robust_tf.training.names import PRECISIONS, STRATEGIES, XLA_CHOICES

RECIPE = " From the recipe."
LARGEST_SEED = 2**32 - 1  # of NumPy's generator, which Keras seeds too


class _FiniteParser(flags.FloatParser):
    """Refuses nan and inf, which absl lets through."""

    def is_outside_bounds(self, val):
        return not math.isfinite(val) or super().is_outside_bounds(val)


class _PathParser(flags.ArgumentParser):
    """Expands ~, which a shell leaves as it is in --name=~/folder."""

    def parse(self, argument):
        return os.path.expanduser(argument)


class _PathsParser(flags.ListParser):
    """Expands ~ in each of several paths."""

    def parse(self, argument):
        return list(map(os.path.expanduser, super().parse(argument)))


class Topic:
    """Defines flags under one heading of --help.

    Args:
        heading: str.
        flag_values: absl `FlagValues` to define them in.
    """

    def __init__(self, heading, flag_values):
        self._where = {"flag_values": flag_values, "module_name": heading}

    def string(self, name, default, about):
        flags.DEFINE_string(name, default, about, **self._where)

    def path(self, name, default, about):
        text = flags.ArgumentSerializer()
        flags.DEFINE(_PathParser(), name, default, about, serializer=text, **self._where)

    def paths(self, name, default, about):
        text = flags.CsvListSerializer(",")
        flags.DEFINE(_PathsParser(), name, default, about, serializer=text, **self._where)

    def choice(self, name, default, choices, about):
        flags.DEFINE_enum(name, default, list(choices), about, **self._where)

    def switch(self, name, default, about):
        flags.DEFINE_boolean(name, default, about, **self._where)

    def count(self, name, default, about, lowest=1, highest=None):
        bounds = {"lower_bound": lowest, "upper_bound": highest}
        flags.DEFINE_integer(name, default, about, **bounds, **self._where)

    def seed(self, about):
        self.count("seed", 0, about, lowest=0, highest=LARGEST_SEED)

    def number(self, name, default, about, highest=None):
        flags.DEFINE(_FiniteParser(0.0, highest), name, default, about, **self._where)

    def repeated_path(self, name, about):
        text = flags.ArgumentSerializer()
        flags.DEFINE_multi(_PathParser(), text, name, [], about, **self._where)

    def numbers(self, name, default, about):
        flags.DEFINE_list(name, default, about, **self._where)


def define_run(topic, package, name):
    """Flags of a training run; `name` is the flag that names its default folder."""
    topic.path("workdir", None, f"Run folder. Default: runs/{package}/<dataset>/{name}/seed<k>.")
    topic.seed("Seed of weights, batches, attack starts and selections.")
    topic.count("train_steps", None, "Updates in all; a run may be continued with more." + RECIPE)
    topic.count("checkpoint_every", None, "Updates between checkpoints and log lines." + RECIPE)


def define_reading(topic):
    """Flags of how the images of a training run are read."""
    topic.count("limit_train", None, "Use the first n training images only.")
    of_files = "folder, cub200, cars196, sop"
    topic.count("image_size", None, f"Side in pixels of what a network sees ({of_files})." + RECIPE)
    topic.choice(
        "on_bad_image", None, ("fail", "skip"), f"Undecodable files ({of_files})." + RECIPE
    )


def define_schedule(topic):
    """Flags of the learning rate by update."""
    topic.numbers("learning_rates", None, "Of the stretches between boundaries." + RECIPE)
    topic.numbers("boundaries", [], "Updates after which the next learning rate holds.")


def define_checks(topic, unit):
    """The flag of the checks of a robustness claim, made on so many `unit`."""
    topic.choice(
        "checks",
        "none",
        ("none", "quick", "full"),
        f"Whether the numbers can be believed: red, amber, green lines, of 256 or 1000 {unit}.",
    )


def define_network(topic):
    """Flags of the network that is evaluated or attacked."""
    topic.choice("precision", "float32", PRECISIONS, "Keras policy of the network.")
    topic.choice("jit_compile", "auto", XLA_CHOICES, "XLA; auto: on a GPU only.")


def define_export(flag_values):
    """All flags of an export command."""
    run = Topic("Run", flag_values)
    run.path("workdir", None, "Folder of the finished run to export. Required.")
    run.string("data_dir", None, "Folder of a --dataset=folder run. Default: of the training.")
    run.path("export_dir", None, "Where the SavedModel goes, as <export_dir>/1, /2, ... Required.")
    run.count("limit_test", 500, "Test images that the SavedModel is attacked on, the first n.")


def define_devices(topic):
    """Flags of devices and precision of a training run."""
    define_network(topic)
    topic.choice("strategy", "auto", STRATEGIES, "auto: all GPUs that divide the batch.")
    topic.count("logical_cpus", 1, "Divide the processor into n devices (tests of replicas).")
