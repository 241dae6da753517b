"""Runs may stand side by side only where their data agree."""

from robust_tf.data.image_identity import in_words
from robust_tf.errors import UserError
from robust_tf.runs.run_folder import RunFolder


def require_same_data(folders, present=None):
    """Checks that runs were trained on the same images, classes and size.

    Args:
        folders: list of pathlib.Path of run folders.
        present: list of the `DatasetInfo.identity` that the data of the runs have now; it counts
            for older runs, which do not record their images.

    Raises:
        UserError: a folder named twice, or runs of different data.
    """
    if len(set(folders)) < len(folders):
        raise UserError(f"--workdir names a run twice: {', '.join(map(str, folders))}")
    configs = [RunFolder(folder).read_config() for folder in folders]
    first, *others = map(_facts, configs, present or [None] * len(configs))
    for folder, other in zip(folders[1:], others, strict=True):
        for (fact, text), (other_fact, other_text) in zip(first, other, strict=True):
            if fact != other_fact and None not in (text, other_text):
                raise UserError(
                    f"runs of different data cannot stand side by side: {folders[0]} is of {text}, "
                    f"{folder} of {other_text}; look at them apart"
                )


def _facts(config, present):
    """[(what runs side by side have in common, in words)]; None in words: unknown."""
    flags, classes = config["flags"], config.get("class_names") or None
    images = config.get("images") or present
    size, side = flags.get("image_size"), _training_classes(config)
    return [
        (flags["dataset"], flags["dataset"]),
        (classes, classes and f"{len(classes)} classes, {', '.join(classes[:5])} ..."),
        (size, f"images of {size} pixels" if size else "images of their own size"),
        (images, images and in_words(images)),
        (side, f"training classes {', '.join(side[:5])} ..." if side else "the usual classes"),
    ]


def _training_classes(config):
    """Their names where they were given; of older runs the file's name; None by default."""
    given, named = config["flags"].get("train_classes"), config.get("train_classes")
    return given and [given] if named is None else sorted(named)
