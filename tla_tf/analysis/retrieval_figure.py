"""Figure 4 of TLA: the natural images nearest to an image, clean and attacked."""

import numpy as np

from robust_tf.evaluation.attack_loop import images_of
from robust_tf.reports.neighbour_figure import OF_CLASS, Row, neighbour_figure
from tla_tf.analysis.analyzed_run import describe
from tla_tf.analysis.confused_classes import class_title, confused_pair
from tla_tf.analysis.nearest_neighbours import nearest_neighbours

NEIGHBOURS = 3  # the authors' poster


def figure4(runs):
    """Shows the nearest natural training images of one test image, for every run.

    The image is of the pair of classes shown, the first that adversarial training classifies
    correctly until it is attacked. Without a run of that method the first run decides.
    Returns (figure, indices, labels and distances by run and query); records the share of
    neighbours of the image's class.
    """
    reference = next((run for run in runs if run.method == "at"), runs[0])
    query = _query(reference)
    rows, found = {}, {}
    for run in runs:
        rows[run.name], found[run.name] = _retrieve(run, query)
    shown = class_title(runs[0].info, runs[0].test.labels[query])
    title = f"{shown}, test image {query}: nearest training images\n{describe(runs)}"
    return neighbour_figure(title, rows, OF_CLASS), {"query": query, "neighbours": found}


def _query(run):
    true, false = confused_pair([run], "figure4")
    right = (run.test.labels == true) & (run.predictions == true)
    return int(np.flatnonzero(right & (run.adversarial_predictions == false))[0])


def _retrieve(run, query):
    """The two `Row`s of a run, and their numbers."""
    names, label = run.info.class_names, run.test.labels[query]
    queries = {
        "natural": (images_of(run.test, [query]).numpy()[0], run.natural, run.predictions),
        "attacked": (run.attacked_image(query), run.adversarial, run.adversarial_predictions),
    }
    rows, found = [], {}
    for kind, (image, embeddings, predictions) in queries.items():
        indices, distances = nearest_neighbours(
            embeddings[query : query + 1], run.train_embeddings, NEIGHBOURS
        )
        indices, distances = indices[0], distances[0]
        labels = run.train.labels[indices]
        metric = f"figure 4: {NEIGHBOURS} nearest of the query's class"
        attacked = kind == "attacked"
        run.record_share(metric, labels == label, attacked=attacked, of_train=True)
        title = f"{kind} {names[label]},\npredicted {names[predictions[query]]}"
        neighbours = images_of(run.train, indices).numpy()
        rows.append(Row(title, image, neighbours, [names[k] for k in labels], labels == label))
        found[kind] = {
            "indices": indices.tolist(),
            "labels": labels.tolist(),
            "distances": distances.tolist(),
        }
    return rows, found
