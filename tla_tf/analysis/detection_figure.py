"""Figure 5 of TLA: detection of misclassified images by a mixture of Gaussians."""

import numpy as np

from robust_tf.reports.roc_figure import roc_figure
from tla_tf.analysis.analyzed_run import describe
from tla_tf.analysis.cannot_be_shown import CannotBeShown
from tla_tf.analysis.detection_records import area_metric
from tla_tf.analysis.detector_attack import detector_preset
from tla_tf.analysis.mixture_detection import MixtureDetector, covariance_kind, detection_roc

# What is to be detected -> names of the positives, of the negatives, and of the metric.
WORDING = {
    "misclassified": ("misclassified", "correctly classified", "misclassification"),
    "adversarial": ("adversarial", "natural", "adversarial"),
}


def figure5(runs, covariance, positive):
    """Scores all clean and all attacked test images, of two attacks: the second knows the detector.

    Args:
        runs: list of `AnalyzedRun`.
        covariance: "full", "tied" or "diag"; "auto": full, but tied where a class has fewer
            training images than an embedding has entries.
        positive: Images to detect: "misclassified", both clean and attacked, or "adversarial",
            all attacked images.

    Returns (figure, curves by attack and run); records the areas under them.

    Raises:
        CannotBeShown: nothing, or everything, is misclassified.
    """
    found, rejected, metric = WORDING[positive]
    curves = {}
    for run in runs:
        kind = covariance
        if covariance == "auto":
            kind = covariance_kind(run.train.labels, run.train_embeddings.shape[1])
        detector = MixtureDetector(run.train_embeddings, run.train.labels, kind)
        # Where all attacked images count as positives, those classified correctly hide too.
        hiding = {"hide_correct": positive == "adversarial"}
        adaptive = detector_preset(run.preset, run.network, detector, **hiding)
        plain = run.adversarial, run.adversarial_predictions
        for preset, attacked in ((run.preset, plain), (adaptive, run.attack(adaptive))):
            curve = _curve(run, detector, *attacked, positive)
            name = area_metric(metric, kind, known=preset is adaptive)
            run.record(name, curve[-1], 2 * len(run.test), preset=preset, of_train=True)
            curves.setdefault(preset.name, {})[f"{run.name}, {kind} covariance"] = curve
    n = len(runs[0].test)
    title = f"detection of {found} images by their density\n{describe(runs, 2 * n)}, half attacked"
    labels = f"{rejected} images rejected", f"{found} images rejected"
    return roc_figure(title, curves, labels), _plain(curves)


def _curve(run, detector, adversarial, predictions, positive):
    labels, n = run.test.labels, len(run.test)
    wanted = np.arange(2 * n) >= n
    if positive == "misclassified":
        wanted = np.concatenate([run.predictions != labels, predictions != labels])
    if wanted.all() or not wanted.any():
        amount = "all" if wanted.all() else "none"
        raise CannotBeShown(f"{amount} of the images of {run.name} are misclassified")
    return detection_roc(detector.scores(np.concatenate([run.natural, adversarial])), wanted)


def _plain(curves):
    """The curves as JSON takes them."""
    return {
        panel: {
            name: {"false_rates": f.tolist(), "true_rates": t.tolist(), "auc": area}
            for name, (f, t, area) in of_panel.items()
        }
        for panel, of_panel in curves.items()
    }
