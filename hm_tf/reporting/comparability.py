"""What keeps the numbers of a run from being compared with a published row."""

from robust_tf import data
from robust_tf.reports import comparability
from robust_tf.reports.comparability import plain, unlike
from robust_tf.threat_model import format_magnitude, parse_magnitude

# What the rows of the paper set on top of a recipe, besides the data.
_ROW_SETTINGS = ("defense", "source", "destination", "ics", "ics_margin", "loss_bound", "bn") + (
    *("inner_attack", "pgd_steps", "ics_triplet", "gb_rise", "shift_weight", "norm", "loss"),
    *("distance", "free"),
)
# What matters most stands first.
_FIRST = ("dataset", "model", "init_weights", "bn", "train_steps", "eps", "pgd_steps")


def attacks(flags):
    """Whether a training attacks: HM with the same sampler twice does not."""
    twice = flags["defense"] == "hm" and flags["source"] == flags["destination"]
    return flags["defense"] != "none" and not twice


def differing_settings(flags, row):
    """Returns the set of the settings of a row that a training does not have; none: it belongs.

    On other data the networks differ, and with them the effect of batch norm: it is not compared.

    Args:
        flags, row: See `training_differences`.
    """
    if not flags:
        return set(_ROW_SETTINGS)
    ours, theirs = (_row_settings(own, row.trainings) for own in (flags, row.training))
    other_data = {"bn"} if flags["dataset"] != row.training["dataset"] else set()
    shared = (ours.keys() & theirs.keys()) - other_data
    return {name for name in shared if ours[name] != theirs[name]}


def training_differences(flags, row):
    """Returns what was trained otherwise than the paper's row, list of str.

    Args:
        flags: dict of the resolved flags of the run; {} where they are unknown.
        row: `PublishedRow`.
    """
    if not flags:
        return ["settings of the training unknown"]
    # Regular training has several names, and what it does not read.
    alike = {*_ROW_SETTINGS} - {"bn"} - differing_settings(flags, row)
    compared = row.compared - {"limit_train"} - alike
    found = comparability.training_differences(flags, row.training, compared=compared, first=_FIRST)
    if flags.get("limit_train"):
        found.append(f"{flags['limit_train']:,} training images, not all")
    return found


def measuring_differences(row, n, published):
    """Returns what was measured otherwise than in the paper, list of str.

    Args:
        row: `ScoreRow`, or None where no attack was recorded.
        n: Number of queries.
        published: dict of the flags that reproduce the row.
    """
    images = data.open(published["dataset"]).info.splits["test"]
    different = [f"{n:,} queries, not {images:,}"] if n != images else []
    if row is None:
        return [*different, "no attack recorded"]
    if row.mode != "compat":
        different.append(f"attacks in {row.mode} mode, not as the authors' code")
    settings, threat = row.results[0].attack_settings, row.results[0].threat_model
    facts = (
        ("precision", row.on.precision, "float32"),
        ("attack norm", threat["norm"], published["norm"]),
    )
    different += unlike(facts)
    ours = threat["eps"], settings["steps"], settings.get("step_size")
    wanted = "eps", "eval_steps", "eval_step_size"
    for name, value in zip(wanted, ours, strict=True):
        if value is not None and abs(value - parse_magnitude(published[name])) > 1e-6:
            different.append(f"attack {name} {format_magnitude(value)}, not {published[name]}")
    return different


def _row_settings(flags, trainings):
    """The `_ROW_SETTINGS` that the defense reads; regular training has one name for all."""
    defense = flags["defense"] if attacks(flags) or flags["ics"] else "none"
    unread = trainings.unread({"defense": defense})
    read = {name for name in _ROW_SETTINGS if name in flags} - unread
    return {**{name: plain(flags[name]) for name in read}, "defense": defense}
