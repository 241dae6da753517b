"""Tables 2 and 3 of TLA: numbers of `AnalyzedRun`s, recorded with them."""

import numpy as np

from tla_tf.analysis.nearest_neighbours import nearest_neighbours, vote
from tla_tf.analysis.separation_ratio import LEFT_OUT, separation_ratios

NEIGHBOURS = 50  # TLA, table 3


def table2(runs, all_adv=False):
    """Records the separation ratio of every run, its companion, and the classes left out.

    With `all_adv` the companion counts the attacked images classified correctly too.
    """
    for run in runs:
        labels, fooled = run.test.labels, run.fooled
        _record_ratio(run, "separation ratio", run.adversarial_predictions, fooled)
        if all_adv:
            everything = np.ones_like(fooled)
            _record_ratio(run, "separation ratio, true class, all attacked", labels, everything)
        else:
            _record_ratio(run, "separation ratio, true class", labels, fooled)


def _record_ratio(run, metric, groups, counted):
    """Of the attacked images bool [n] `counted`, each to the class in int [n] `groups`."""
    labels = run.test.labels
    ratios = separation_ratios(
        run.natural, labels, run.adversarial[counted], groups[counted], run.info.num_classes
    )
    left_out = np.isnan(ratios)
    if not left_out.all():
        run.record(metric, float(np.mean(ratios[~left_out])), len(labels))
    run.record(f"{metric}{LEFT_OUT}", int(np.sum(left_out)), len(labels))


def table3(runs):
    """Records the accuracy of 50 nearest neighbours among the natural training images."""
    for run in runs:
        for embeddings, attacked in ((run.natural, False), (run.adversarial, True)):
            found, distances = nearest_neighbours(embeddings, run.train_embeddings, NEIGHBOURS)
            predictions = vote(run.train.labels[found], distances)
            right = predictions == run.test.labels
            metric = f"{NEIGHBOURS}-NN accuracy"
            run.record_share(metric, right, attacked=attacked, of_train=True)
