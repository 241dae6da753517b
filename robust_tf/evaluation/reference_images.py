"""How many training images the test images were compared with, as records say it.

Records without it are older; all training images were used for them, as far as they tell.
"""

USED, SPLIT = "train_images", "train_split"


def reference_settings(used, split):
    """Returns the part of `Result.attack_settings` on `used` of `split` training images, ints."""
    return {USED: used, SPLIT: split}


def limited_reference(result):
    """Returns (used, all) training images of a `Result` that used fewer than all, else None."""
    settings = result.attack_settings
    if USED not in settings or settings[USED] >= settings[SPLIT]:
        return None
    return settings[USED], settings[SPLIT]


def reference_share(result):
    """Returns the share of the training images that a `Result` used, in (0, 1]."""
    used, split = limited_reference(result) or (1, 1)
    return used / split
