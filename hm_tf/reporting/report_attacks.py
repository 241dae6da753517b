"""The section of the report on single images that `hm_tf.attack` has moved."""

import json

import matplotlib.image

from hm_tf.own_gallery.attack_files import DIFFERENCE, IMAGE, NUMBERS, RANKING
from robust_tf.reports.page import Picture


def add_attacks(page, runs):
    """The pictures in the run folders, or the command that makes one."""
    page.section("A ranking before and after an attack")
    folders = [(run, path.parent) for run in runs for path in _found(run.recorded.path)]
    if not folders:
        page.paragraph("No image was attacked yet; this takes one of yours:")
        folder = runs[0].recorded.path
        page.code(
            f"python -m hm_tf.attack --workdir={folder} --query=IMG --gallery=DIR --attack=qa+"
        )
    for run, folder in folders:
        _add_attack(page, run, folder)


def _found(folder):
    return sorted(path for path in folder.glob(f"attacks/*/{NUMBERS}"))


def _add_attack(page, run, folder):
    numbers = json.loads((folder / NUMBERS).read_text())
    alt = "; ".join([f"{numbers['attack']} on {numbers['moved']}", *_states(numbers)])
    caption = (
        f"{run.name}: {numbers['attack']} ({numbers['mode']}), eps {numbers['eps']}, "
        f"{numbers['steps']} steps, a gallery of {numbers['gallery']:,} images. The last row is "
        "the ranking of the file as it was saved, 8 bits per channel. Aim "
        f"{numbers['outcome']}."
    )
    page.figure(folder / RANKING, alt=alt, caption=caption)
    pictures = {IMAGE: "attacked image as saved", DIFFERENCE: "difference, ±eps as white and black"}
    cells = tuple(
        Picture(_pixels(folder / name), f"{text}: {numbers['moved']}")
        for name, text in pictures.items()
    )
    page.images(tuple(pictures.values()), [cells])


def _pixels(path):
    """float [h, w] of a gray image, [h, w, 3] of others."""
    return matplotlib.image.imread(path)


def _states(numbers):
    for state, found in numbers["states"].items():
        aim = f", {numbers['aim']} in place {found['place']}" if numbers["aim"] else ""
        yield f"{state}: first {', '.join(found['first'])}{aim}"
