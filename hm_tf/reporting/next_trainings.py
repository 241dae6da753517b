"""What to train after a training: other defenses to compare it with, on the same data."""

import shlex

from robust_tf.training import recipe

# Defense -> the flags that make it, whatever the flags of the finished run are.
_OTHERS = {
    "none": ("--defense=none", "--source=random"),
    "act": ("--defense=act", "--source=random"),
    "hm": ("--defense=hm", "--source=softhard", "--destination=lga"),
}
SHOWN = 2


def next_trainings(defense, dataset, folder, *, data_dir=None, named=False):
    """Returns commands, list of str: two other defenses, all else as in the finished run.

    Args:
        defense, dataset: names of the finished run's.
        folder: pathlib.Path of the finished run.
        data_dir: folder of its data; None where they have a default place.
        named: whether the user named the folder; then the new runs have names beside it.
    """
    others = {name: flags for name, flags in _OTHERS.items() if name != defense}
    if "hm" in others:
        others["hm"] += _ics(dataset)
    lines = []
    for flags in list(others.values())[:SHOWN]:
        # Schedule and attack stand in this file; where the data and the run are does not.
        parts = [f"--flagfile={folder / 'flags.txt'}", *flags]
        if data_dir:
            parts.append(f"--data_dir={data_dir}")
        if named:
            name = "-".join(flag.partition("=")[2] for flag in flags[:2])
            parts.append(f"--workdir={folder.with_name(f'{folder.name}-{name}')}")
        lines.append(shlex.join(["python", "-m", "hm_tf.train", *parts]))
    if dataset in ("digits", "digit_pairs"):
        more = "python -m hm_tf.train --dataset=mnist"
        lines.append(f"{more}  # downloads 11.6 MB unless TFDS has it")
    return lines


def _ics(dataset):
    """The --ics of the recipe; in the flags of another defense it is 0."""
    flags = recipe.combine([], lambda given: dataset, "hm")
    return tuple(flag for flag in flags if flag.startswith("--ics="))
