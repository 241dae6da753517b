"""The run folder of a training: the one that was named, or else one named after the settings."""

import pathlib

from robust_tf.errors import UserError
from robust_tf.results import digest


def default_folder(options, parent, name, named):
    """Returns --workdir, or else parent/name/seed<k>.

    The name ends in a hash of what else tells the run apart.

    A run of the plain recipe has no hash, nor has one that an older version put there.

    Args:
        options: `Options` of the training.
        parent: str, a folder.
        name: str, what a reader knows the run by.
        named: names of the flags that `name` tells.

    Returns:
        str.
    """
    if options.workdir:
        return options.workdir
    plain = pathlib.Path(parent, name, f"seed{options.seed}")
    own = _own_settings(options, named)
    if _holds(plain, options.run_identity()) or not (own or plain.exists()):
        return str(plain)
    return str(plain.parent.with_name(f"{name}-{digest.of_json(own)[:8]}") / plain.name)


def _own_settings(options, named):
    """dict name -> value of the identity's flags that are not the recipe's, without the seed."""
    said = [options.table.flags[flag].line(options.flags[flag]) for flag in named]
    recipe = options.table.read(said).flags
    counted = options.flags.keys() - options.run_identity().free - {"seed"}
    return {flag: options.flags[flag] for flag in counted if options.flags[flag] != recipe[flag]}


def _holds(folder, run):
    """Whether a folder holds this run."""
    from robust_tf.runs.run_folder import RunFolder

    try:
        before = RunFolder(folder).read_flags()
    except UserError:
        return False
    return not list(run.differences(before))
