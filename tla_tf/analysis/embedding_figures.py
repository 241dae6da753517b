"""Figures 1 and 2 of TLA: where attacked images lie among natural ones, by t-SNE."""

import math

import numpy as np

from robust_tf.errors import UserError
from robust_tf.reports.panels import BLACK, BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILLION
from tla_tf.analysis.analyzed_run import CannotBeShown, describe
from tla_tf.analysis.confused_classes import attacked_class, class_title, confused_pair
from tla_tf.analysis.scatter_figure import Group, Look, Scatter, scatter_figure
from tla_tf.analysis.tsne import PERPLEXITY, tsne, unit_vectors

# Colour and marker of a wrong class, the most frequent first.
PREDICTED = tuple(zip((VERMILLION, BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE), "<v^sPX", strict=True))
REMAINING = ("#666666", "*")
ROUNDING = 1e-6  # of the entries of unit vectors
MOST_NATURAL = {"figure1": 500, "figure2": 200}  # the authors' code; the paper


def figure1(runs):
    """One class: natural images joined with the same images attacked, by predicted class.

    Returns (figure, points by run and group); records the share that is misclassified.
    """
    shown = attacked_class(runs)
    names, title = runs[0].info.class_names, class_title(runs[0].info, shown)
    drawn = _drawn(runs, shown)
    scatters = {}
    for run in runs:
        own = run.test.labels == shown
        rows = _sample(own, "figure1", run.seed)
        predicted = run.adversarial_predictions[rows]
        looks = {shown: Look(f"attacked, still {names[shown]}", BLACK, ">")}
        looks |= {k: Look(f"attacked, taken for {names[k]}", *of) for k, of in drawn.items()}
        rest = Look("attacked, taken for another class", *REMAINING)
        attacked = {look: predicted == k for k, look in looks.items()}
        attacked[rest] = ~np.isin(predicted, list(looks))
        turned = f"{np.sum(predicted != shown)} of {len(rows)} misclassified"
        about = f"natural or attacked images of {title}"
        scatters[run.name] = _scatter(
            run, {Look("natural", GRAY, "o"): rows}, rows, attacked, turned, about
        )
        run.record_share(f"figure 1: {title} misclassified", run.fooled[own])
    return _figure(f"{title}: natural and attacked images (t-SNE)", runs, scatters)


def figure2(runs):
    """Two classes: natural images of both, and attacked ones of the first taken for the second.

    Returns (figure, points by run and group); records the share of the first so predicted.
    """
    true, false = confused_pair(runs, "figure2")
    names = runs[0].info.class_names
    titles = [class_title(runs[0].info, k) for k in (true, false)]
    scatters = {}
    for run in runs:
        labels, turned = run.test.labels, run.adversarial_predictions == false
        rows = {k: _sample(labels == k, "figure2", run.seed) for k in (true, false)}
        natural = {
            Look(f"natural {names[k]}", *of): rows[k]
            for k, of in ((true, (GREEN, "o")), (false, (SKY_BLUE, "d")))
        }
        look = Look(f"attacked {names[true]}, taken for {names[false]}", VERMILLION, "<")
        attacked = {look: turned[rows[true]]}
        note = f"{np.sum(turned[rows[true]])} of {len(rows[true])} taken for {names[false]}"
        about = f"natural {titles[0]} or {titles[1]}, or {titles[0]} attacked and taken for it"
        scatters[run.name] = _scatter(run, natural, rows[true], attacked, note, about)
        metric = f"figure 2: {titles[0]} taken for {titles[1]}"
        run.record_share(metric, turned[labels == true])
    return _figure(f"{titles[0]}, attacked, taken for {titles[1]} (t-SNE)", runs, scatters)


def _figure(subject, runs, scatters):
    points = {
        name: {group.look.label: group.points.tolist() for group in scatter.groups}
        for name, scatter in scatters.items()
    }
    return scatter_figure(f"{subject}\n{describe(runs)}", scatters), points


def _drawn(runs, true):
    """predicted class -> one of `PREDICTED`, of what images of `true` most often turn into."""
    counts = np.zeros(runs[0].info.num_classes, np.int64)
    for run in runs:
        turned = run.fooled & (run.test.labels == true)
        np.add.at(counts, run.adversarial_predictions[turned], 1)
    frequent = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    return dict(zip(frequent, PREDICTED, strict=False))


def _sample(chosen, output, seed):
    """Indices of a random sample of bool [n] `chosen`, as many as the figure shows."""
    rows = np.flatnonzero(chosen)
    return np.random.default_rng(seed).permutation(rows)[: MOST_NATURAL[output]]


def _scatter(run, natural, rows, attacked, note, about):
    """The `Scatter` of a run: natural and attacked images, embedded jointly.

    Args:
        run: `AnalyzedRun`.
        natural: dict `Look` -> int [m], test images.
        rows: int [k], the test images that are attacked.
        attacked: dict `Look` -> bool [k], which of `rows` it shows.
        note: str, in the corner.
        about: str, what all of them are, for the `UserError` where they are too few.
    """
    parts = [run.natural[own] for own in natural.values()]
    parts += [run.adversarial[rows[own]] for own in attacked.values()]
    points = _embedded(np.concatenate(parts), run, about)
    split = np.split(points, np.cumsum(list(map(len, parts)))[:-1])
    groups = list(map(Group, (*natural, *attacked), split))
    places = dict(zip(np.concatenate(list(natural.values())).tolist(), points, strict=False))
    links = [
        (places[row], point)
        for own, group in zip(attacked.values(), groups[len(natural) :], strict=True)
        for row, point in zip(rows[own].tolist(), group.points, strict=True)
    ]
    return Scatter(groups, np.reshape(links, (-1, 2, 2)), note)


def _embedded(embeddings, run, about):
    """t-SNE, float [n, 2]; UserError of too few, CannotBeShown of a collapsed network."""
    count, n = len(embeddings), len(run.test)
    if count <= PERPLEXITY:
        enough = math.ceil(n * (PERPLEXITY + 1) / max(count, 1))
        raise UserError(
            f"t-SNE with perplexity {PERPLEXITY} needs more than {PERPLEXITY} points, and {n} test "
            f"images give {count}, {about}; use about {enough} test images (--limit_test)"
        )
    if np.ptp(unit_vectors(embeddings), axis=0).max() < ROUNDING:
        raise CannotBeShown(f"{run.name} has collapsed: all embeddings are parallel or zero")
    return tsne(embeddings, run.seed)
