"""Figure 5 of TLA: detection of misclassified images by a mixture of Gaussians."""

import numpy as np

from robust_tf.errors import RunError
from robust_tf.reports.roc_figure import roc_figure
from tla_tf.mixture_detection import MixtureDetector, detection_roc


def figure5(runs, covariance):
    """Scores all clean and all attacked test images; positives are the misclassified of both.

    Args:
        runs: list of `AnalyzedRun`.
        covariance: "full", "tied" or "diag"; "auto": full, but tied where a class has fewer
            training images than an embedding has entries.

    Returns (figure, curves by run); records the areas under them.

    Raises:
        RunError: nothing, or everything, is misclassified.
    """
    curves = {}
    for run in runs:
        labels = run.test.labels
        wrong = np.concatenate([run.predictions != labels, run.fooled])
        if wrong.all() or not wrong.any():
            amount = "all" if wrong.all() else "none"
            raise RunError(f"figure5: {amount} of the images of {run.name} are misclassified")
        kind = _choose(covariance, run)
        detector = MixtureDetector(run.train_embeddings, run.train.labels, kind)
        scores = detector.scores(np.concatenate([run.natural, run.adversarial]))
        false_rates, true_rates, area = detection_roc(scores, wrong)
        run.record(f"misclassification detection AUC, {kind} covariance", area, len(wrong))
        curves[f"{run.name}, {kind}"] = false_rates, true_rates, area
    data = {
        name: {"false_rates": f.tolist(), "true_rates": t.tolist(), "auc": area}
        for name, (f, t, area) in curves.items()
    }
    return roc_figure(f"misclassified among clean and attacked\n{runs[0].describe()}", curves), data


def _choose(covariance, run):
    if covariance != "auto":
        return covariance
    _, counts = np.unique(run.train.labels, return_counts=True)
    return "full" if counts.min() >= run.train_embeddings.shape[1] else "tied"
