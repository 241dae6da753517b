"""What keeps a measured number from being compared with a published one."""

from robust_tf.evaluation.reference_images import limited_reference
from robust_tf.runs.run_folder import NOT_IDENTITY
from tla_tf.method_flags import UNREAD

# Flags that two runs of one row may differ in.
_FREE = (NOT_IDENTITY - {"train_steps"}) | {"seed", "jit_compile"}
# An undefended network is attacked by nobody in training.
_UNDEFENDED = {"um": {"eps", "norm"}}


def training_differences(flags, published):
    """Returns what was trained otherwise than the paper's row, list of str.

    Args:
        flags: dict of the resolved flags of the run, those that are known.
        published: dict of those that reproduce the row.
    """
    method = published["method"]
    free = _FREE | UNREAD[method] | _UNDEFENDED.get(method, set())
    names = [name for name in published if name in flags and name not in free]
    different = [
        f"{name} {_text(flags[name])}, not {_text(published[name])}"
        for name in sorted(names, key=_weight)
        if flags[name] != published[name]
    ]
    return different + (
        [] if "train_steps" in flags else ["other settings of the training unknown"]
    )


def measuring_differences(result, row):
    """Returns what was measured otherwise than in the paper, list of str.

    Args:
        result: `Result`.
        row: `PublishedRow`.
    """
    different = []
    if result.n != row.n:
        different.append(f"n {result.n:,}, not {row.n:,}")
    if limited := limited_reference(result):
        used, split = limited
        different.append(f"{used:,} training images, not {split:,}")
    if result.precision != "float32":
        different.append(f"precision {result.precision}, not float32")
    return different


def _weight(name):
    """What matters most stands first."""
    first = ("model", "train_steps", "eps", "attack_steps", "limit_train", "batch_size")
    return first.index(name) if name in first else len(first)


def _text(value):
    if value is None or value == []:
        return "none"
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)
