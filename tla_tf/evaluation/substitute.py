"""Networks that black-box attacks make their images on (TLA, table 1, column BB)."""

import pathlib

from robust_tf.errors import UserError
from robust_tf.evaluation.attack_column import Substitute
from robust_tf.models.output_of import output_of
from robust_tf.results.result import weights_hash
from tla_tf.runs.finished_run import FinishedRun


def substitute_runs(paths, target):
    """Opens the runs to transfer from, without loading weights.

    Args:
        paths: Paths of the run folders.
        target: `FinishedRun` to evaluate.

    Returns:
        dict name -> `FinishedRun`.

    Raises:
        UserError: no finished run, other classes or image shape, two of one name, the target.
    """
    runs = {}
    for path in paths:
        if pathlib.Path(path).resolve() == target.folder.path.resolve():
            raise UserError(
                f"--substitute={path} is the evaluated run itself, whose images are no black-box "
                "attack; name a run of another training"
            )
        run = FinishedRun(path, target.dataset.data_dir)
        found, wanted = _kind(run), _kind(target)
        if found != wanted:
            raise UserError(
                f"--substitute={path} knows {_text(found)}, the evaluated run {_text(wanted)}; a "
                "substitute needs the same classes and image shape"
            )
        name = f"{run.flags['method']}-{run.flags['model']}-seed{run.flags['seed']}"
        if name in runs:
            raise UserError(f"--substitute={path} is a second {name}; name each kind once")
        runs[name] = run
    return runs


def load_substitutes(runs, precision):
    """Returns dict name -> `Substitute` of the `substitute_runs` under a Keras policy."""
    found = {}
    for name, run in runs.items():
        network, defended = run.network(precision), run.flags["method"] != "um"
        found[name] = Substitute(output_of(network, "logits"), weights_hash(network), defended)
    return found


def _kind(run):
    return list(run.info.class_names), tuple(run.info.image_shape)


def _text(kind):
    classes, shape = kind
    few = ", ".join(map(str, classes[:3]))
    return f"{len(classes)} classes ({few} ...) on {'x'.join(map(str, shape))} images"
