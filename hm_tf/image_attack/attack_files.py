"""What an attack on one image leaves behind: the image, what changed, the rankings."""

import json
import pathlib

import numpy as np
import tensorflow as tf

from hm_tf.image_attack.attacked_ranking import STATES, attacked_ranking, outcome
from hm_tf.image_attack.ranking_picture import ranking_picture
from hm_tf.image_attack.single_attack import attack_image
from robust_tf.attacks.round_pixels import round_pixels
from robust_tf.data import gallery_folder
from robust_tf.reports.panels import save_figure
from robust_tf.results import atomic
from robust_tf.results.result import weights_hash
from robust_tf.threat_model import format_magnitude

IMAGE, DIFFERENCE = "adversarial.png", "difference.png"
RANKING, NUMBERS = "ranking.png", "attack.json"


def usual_folder(run, query, attack):
    """Returns the folder of an attack below a run, a pathlib.Path.

    Args:
        run: `FinishedRun` or `SavedRun`.
        query: path of the image.
        attack: name of the attack.
    """
    query = pathlib.Path(query).resolve()
    # Images of other classes often have the same names.
    return run.folder.path / "attacks" / f"{query.parent.name}_{query.stem}_{attack.lower()}"


def write_attack(folder, attack, pgd, images, aim, top, **asked):
    """Attacks one image, writes the files, and measures the saved image as any other file.

    Args:
        folder: Path of an existing folder, where the files go.
        attack: `RankingAttack`.
        pgd: `PGD` without a random start.
        images: `OwnImages`.
        aim: `Aim`.
        top: how many images of each ranking to show.
        **asked: for attack.json, what was asked for: run, query, seed.

    Returns:
        dict state -> `Ranking`, of `STATES`, and the sentence of `outcome`.
    """
    clean = images.pixels_of(aim.moved)
    attacked, earlier = attack_image(images.embed_fn, attack, pgd, clean, aim)
    # Of an attack that was made here before; an interrupted one is without numbers.
    (folder / NUMBERS).unlink(missing_ok=True)
    levels = round_pixels(tf.constant(attacked), tf.constant(clean), pgd.threat_model)
    save_image(folder / IMAGE, levels.numpy())
    saved, _ = gallery_folder.read_single(folder / IMAGE, images.info)
    # From -eps to eps as from black to white, unchanged pixels gray.
    eps = pgd.threat_model.eps
    change = (saved - clean) / (2 * eps) if eps else np.zeros_like(clean)
    save_image(folder / DIFFERENCE, 0.5 + change)
    moved = dict(zip(STATES, (clean, attacked, saved), strict=True))
    rankings = {
        state: attacked_ranking(attack, images.search, aim, images.embed(image), early)
        for (state, image), early in zip(moved.items(), (None, earlier, None), strict=True)
    }

    def pixels_of(state, row):
        return moved[state] if row == aim.moved else images.pixels_of(row)

    title = f"{attack.name} ({attack.mode}), {pgd.threat_model}, {pgd.steps} steps"
    picture = ranking_picture(title, images.search, rankings, pixels_of, target=aim.target, top=top)
    save_figure(picture, folder / RANKING)
    reached = outcome(attack.name, rankings, images.search, aim.target)
    about = {
        **asked,
        "weights_hash": weights_hash(images.network),
        "attack": attack.name,
        "mode": attack.mode,
        "eps": format_magnitude(pgd.threat_model.eps),
        "norm": pgd.threat_model.norm,
        "steps": pgd.steps,
        "step_size": format_magnitude(pgd.step_size),
        "moved": images.search.name_of(aim.moved),
        "outcome": reached,
        "aim_drawn": aim.drawn,
    }
    _save_numbers(folder / NUMBERS, about, images.search, rankings, aim.target, top)
    return rankings, reached


def save_image(path, pixels):
    """Writes float [h, w, c] in [0, 1] as a PNG of 8 bits per channel."""
    levels = np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    atomic.write(path, tf.io.encode_png(levels).numpy())


def _save_numbers(path, about, search, rankings, target, top):
    states = {
        state: {
            "measured": ranking.measured,
            "moved_by": ranking.shift,
            "place": None if target is None else ranking.place_of(target),
            "first": [search.name_of(row) for row in ranking.rows[:top]],
            "distances": ranking.distances[:top].tolist(),
        }
        for state, ranking in rankings.items()
    }
    aim = None if target is None else search.name_of(target)
    numbers = {**about, "aim": aim, "gallery": len(search.embeddings), "states": states}
    atomic.write(path, json.dumps(numbers) + "\n")
