"""The section of the report on single images that `hm_tf.attack` has moved."""

import json

import matplotlib.image

from hm_tf.image_attack.attack_files import DIFFERENCE, IMAGE, NUMBERS, RANKING
from robust_tf.reports.html_table import Picture


def add_attacks(page, runs):
    """The pictures in the run folders, or the command that makes one."""
    page.section("A ranking before and after an attack")
    attacks = [(run, *found) for run in runs for found in _found(run.recorded)]
    if not attacks:
        own = f"--workdir={runs[0].recorded.path}", "--query=IMG", "--gallery=DIR", "--attack=qa+"
        page.missing("No single image was attacked.", "python", "-m", "hm_tf.attack", *own)
    for run, folder, numbers in attacks:
        _add_attack(page, run, folder, numbers)


def _found(recorded):
    """Yields (folder, numbers) of the present network; a run that was trained on has others."""
    present = recorded.results[0].weights_hash
    for path in sorted(recorded.path.glob(f"attacks/*/{NUMBERS}")):
        numbers = json.loads(path.read_bytes())
        if numbers.get("weights_hash", present) == present:
            yield path.parent, numbers


def _add_attack(page, run, folder, numbers):
    alt = "; ".join([f"{numbers['attack']} on {numbers['moved']}", *_states(numbers)])
    norm = numbers.get("norm", "linf")  # older ones do not say it
    eps = numbers["eps"] if norm == "linf" else f"{numbers['eps']} ({norm})"
    caption = (
        f"{run.name}: {numbers['attack']} ({numbers['mode']}), eps {eps}, "
        f"{numbers['steps']} steps, a gallery of {numbers['gallery']:,} images. The last row is "
        "the ranking of the file as it was saved, 8 bits per channel."
    )
    if "outcome" in numbers:  # older ones have none
        caption += f" Aim {numbers['outcome']}."
    if "weights_hash" not in numbers:
        caption += " Of which weights of this run is not recorded."
    page.figure(folder / RANKING, alt=alt, caption=caption)
    pictures = {IMAGE: "attacked image as saved", DIFFERENCE: "difference, ±eps as white and black"}
    cells = tuple(
        Picture(matplotlib.image.imread(folder / name), f"{text}: {numbers['moved']}")
        for name, text in pictures.items()
    )
    page.table(tuple(pictures.values()), [cells], kind="grid")


def _states(numbers):
    for state, found in numbers["states"].items():
        aim = f", {numbers['aim']} in place {found['place']}" if numbers["aim"] else ""
        yield f"{state}: first {', '.join(found['first'])}{aim}"
