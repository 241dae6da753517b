"""What to train after a training: other defenses to compare it with, on the same data."""

import shlex

from robust_tf.cli import recipe

# Defense -> the flags that make it, whatever the flags of the finished run are.
_OTHERS = {
    "none": ("--defense=none", "--source=random"),
    "act": ("--defense=act", "--source=random"),
    "hm": ("--defense=hm", "--source=softhard", "--destination=lga"),
}
SHOWN = 2


def next_trainings(options, folder):
    """Returns commands, list of str: two other defenses, all else as in the finished run.

    Args:
        options: resolved flags of the finished run.
        folder: pathlib.Path of it.
    """
    others = {name: flags for name, flags in _OTHERS.items() if name != options.defense}
    if "hm" in others:
        others["hm"] += _ics(options.dataset)
    lines = [_command(options, folder, flags) for flags in list(others.values())[:SHOWN]]
    if options.dataset == "digits":
        more = "python -m hm_tf.train --dataset=mnist"
        lines.append(f"{more}  # downloads 11.6 MB unless TFDS has it")
    return lines


def _ics(dataset):
    """The --ics of the recipe; in the flags of another defense it is 0."""
    flags = recipe.combine([], lambda given: dataset, "hm")
    return tuple(flag for flag in flags if flag.startswith("--ics="))


def _command(options, folder, flags):
    # Data, schedule and attack stand in this file, and the folder too where it was typed.
    parts = ["python", "-m", "hm_tf.train", f"--flagfile={folder / 'flags.txt'}", *flags]
    if options.workdir:
        name = "-".join(flag.partition("=")[2] for flag in flags[:2])
        parts.append(f"--workdir={folder.with_name(f'{folder.name}-{name}')}")
    return shlex.join(parts)
