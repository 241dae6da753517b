"""What keeps a measured number from being compared with a published one."""

from robust_tf.training.run_folder import NOT_IDENTITY
from tla_tf.names import METHODS

# Flags that two runs of one row may differ in.
_FREE = (NOT_IDENTITY - {"train_steps"}) | {"seed", "jit_compile"}
_PAIRING = {"alp_weight", "alp_clean_weight", "alp_layer", "alp_reduce"}
_ATTACK = {"eps", "norm", "attack_steps", "attack_step_size", "attack_bn_mode"}
_TRIPLET = {"lambda_triplet", "margin", "lambda_norm", "norm_form", "pool", "pool_mul"} | {
    *("positive", "own_noise", "own_margin_mul", "match_l2", "negative", "neg_keep"),
    *("neg_similarity", "neg_mask", "rn_class_check", "anchor", "concat_forward", "mining"),
}
# Flags that a method does not read.
UNREAD = {method: _PAIRING for method in METHODS} | {
    "um": _ATTACK | _TRIPLET | _PAIRING,
    "at": _TRIPLET | _PAIRING,
    "alp": _TRIPLET,
}


def training_differences(flags, published):
    """Returns what was trained otherwise than the paper's row, list of str.

    Args:
        flags: dict of the resolved flags of the run, those that are known.
        published: dict of those that reproduce the row.
    """
    free = _FREE | UNREAD[published["method"]]
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
