"""Tables 2 and 3 of TLA: numbers of `AnalyzedRun`s, recorded with them."""

import numpy as np

from tla_tf.nearest_neighbours import nearest_neighbours, vote
from tla_tf.separation_ratio import separation_ratios

NEIGHBOURS = 50  # TLA, table 3


def table2(runs):
    """Records the separation ratio of every run, its companion, and the classes left out."""
    for run in runs:
        labels, fooled = run.test.labels, run.fooled
        kinds = {
            "separation ratio": run.adversarial_predictions,
            "separation ratio, true class": labels,
        }
        for metric, groups in kinds.items():
            ratios = separation_ratios(
                run.natural, labels, run.adversarial[fooled], groups[fooled], run.info.num_classes
            )
            left_out = np.isnan(ratios)
            if not left_out.all():
                run.record(metric, np.mean(ratios[~left_out]), len(labels))
            run.record(f"{metric}: classes left out", np.sum(left_out), len(labels))


def table3(runs):
    """Records the accuracy of 50 nearest neighbours among the natural training images."""
    for run in runs:
        for embeddings, attacked in ((run.natural, False), (run.adversarial, True)):
            found, distances = nearest_neighbours(embeddings, run.train_embeddings, NEIGHBOURS)
            predictions = vote(run.train.labels[found], distances, run.info.num_classes)
            right = predictions == run.test.labels
            run.record_share(f"{NEIGHBOURS}-NN accuracy", right, attacked=attacked)
