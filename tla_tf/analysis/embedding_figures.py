"""Figures 1 and 2 of TLA: where attacked images lie among natural ones, by t-SNE."""

import math

import numpy as np

from robust_tf.errors import UserError
from robust_tf.reports.panels import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
)
from robust_tf.reports.scatter_figure import Group, scatter_figure
from tla_tf.analysis.analyzed_run import describe
from tla_tf.analysis.confused_classes import attacked_class, class_title, confused_pair
from tla_tf.analysis.tsne import PERPLEXITY, tsne

PREDICTED_COLOURS = (VERMILLION, BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE)
REMAINING_COLOUR = "#666666"
MOST_NATURAL = {"figure1": 500, "figure2": 200}  # the authors' code; the paper


def figure1(runs):
    """One class: natural images, and attacked ones by predicted class.

    Returns (figure, points by run and group); records the share that is misclassified.
    """
    shown = attacked_class(runs)
    names, title = runs[0].info.class_names, class_title(runs[0].info, shown)
    colours = _colours(runs, shown)
    groups = {}
    for run in runs:
        own = run.test.labels == shown
        predicted = run.adversarial_predictions
        parts = [("natural", run.natural[_sample(own, "figure1", run.seed)], GRAY, "o")]
        still = own & ~run.fooled
        parts.append((f"attacked, still {names[shown]}", run.adversarial[still], BLACK, ">"))
        for k, colour in colours.items():
            rows = own & (predicted == k)
            parts.append((f"attacked, taken for {names[k]}", run.adversarial[rows], colour, "<"))
        rows = own & run.fooled & ~np.isin(predicted, list(colours))
        if len(colours) == len(PREDICTED_COLOURS):
            rest = "attacked, taken for another class"
            parts.append((rest, run.adversarial[rows], REMAINING_COLOUR, "<"))
        groups[run.name] = _embedded(parts, run, f"natural or attacked images of {title}")
        run.record_share(f"figure 1: {title} misclassified", run.fooled[own])
    return _figure(f"{title}: natural and attacked images (t-SNE)", runs, groups)


def figure2(runs):
    """Two classes: natural images of both, and attacked ones of the first taken for the second.

    Returns (figure, points by run and group); records the share of the first so predicted.
    """
    true, false = confused_pair(runs, "figure2")
    names = runs[0].info.class_names
    titles = [class_title(runs[0].info, k) for k in (true, false)]
    groups = {}
    for run in runs:
        labels, turned = run.test.labels, run.adversarial_predictions == false
        parts = []
        for k, colour in ((true, GREEN), (false, SKY_BLUE)):
            rows = _sample(labels == k, "figure2", run.seed)
            parts.append((f"natural {names[k]}", run.natural[rows], colour, "o"))
        attacked = run.adversarial[turned & (labels == true)]
        label = f"attacked {names[true]}, taken for {names[false]}"
        parts.append((label, attacked, VERMILLION, "<"))
        shown = f"natural {titles[0]} or {titles[1]}, or {titles[0]} attacked and taken for it"
        groups[run.name] = _embedded(parts, run, shown)
        metric = f"figure 2: {titles[0]} taken for {titles[1]}"
        run.record_share(metric, turned[labels == true])
    return _figure(f"{titles[0]}, attacked, taken for {titles[1]} (t-SNE)", runs, groups)


def _figure(subject, runs, groups):
    points = {
        name: {group.label: group.points.tolist() for group in of_run}
        for name, of_run in groups.items()
    }
    return scatter_figure(f"{subject}\n{describe(runs)}", groups), points


def _colours(runs, true):
    """predicted class -> colour, for the classes that images of `true` most often turn into."""
    counts = np.zeros(runs[0].info.num_classes, np.int64)
    for run in runs:
        turned = run.fooled & (run.test.labels == true)
        np.add.at(counts, run.adversarial_predictions[turned], 1)
    frequent = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    return dict(zip(frequent, PREDICTED_COLOURS, strict=False))


def _sample(chosen, output, seed):
    """Indices of a random sample of bool [n] `chosen`, as many as the figure shows."""
    rows = np.flatnonzero(chosen)
    return np.random.default_rng(seed).permutation(rows)[: MOST_NATURAL[output]]


def _embedded(parts, run, shown):
    """(label, embeddings, colour, marker) to `Group`, all parts embedded jointly.

    `shown` says what they are; UserError where there are too few.
    """
    embeddings = np.concatenate([embeddings for _, embeddings, _, _ in parts])
    count, n = len(embeddings), len(run.test)
    if count <= PERPLEXITY:
        enough = math.ceil(n * (PERPLEXITY + 1) / max(count, 1))
        raise UserError(
            f"t-SNE with perplexity {PERPLEXITY} needs more than {PERPLEXITY} points, and {n} test "
            f"images give {count}, {shown}; use about {enough} test images (--limit_test)"
        )
    points = tsne(embeddings, run.seed)
    ends = np.cumsum([len(embeddings) for _, embeddings, _, _ in parts])
    split = np.split(points, ends[:-1])
    return [
        Group(label, own, colour, marker)
        for (label, _, colour, marker), own in zip(parts, split, strict=True)
    ]
