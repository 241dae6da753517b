"""Figure 5 of TLA: detection of misclassified images by a mixture of Gaussians."""

import numpy as np

from robust_tf.reports.method_colours import looks
from robust_tf.reports.panels import GRAY, WIDTH, legend_below, panels, wrapped
from tla_tf.analysis.analyzed_run import CannotBeShown, describe
from tla_tf.analysis.detector_attack import detector_preset
from tla_tf.analysis.mixture_detection import MixtureDetector, covariance_kind, detection_roc
from tla_tf.evaluation.detection_records import area_metric

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


def roc_figure(title, curves_by_panel, labels):
    """Returns the figure: one panel per attack, the dotted diagonal is chance.

    The legend has a network's areas in the order of the panels.

    Args:
        title: str.
        curves_by_panel: dict, name of a panel -> dict, name of a network -> (false positive rates,
            true positive rates, area under the curve). Networks in the same order in each.
        labels: (str, str), what the two rates are.
    """
    figure, axes = panels(title, [wrapped(name, WIDTH / 2.5) for name in curves_by_panel])
    figure.get_layout_engine().set(w_pad=0.1)  # the tick labels of neighbours almost touch
    columns = list(curves_by_panel.values())
    areas = {name: " → ".join(f"{of[name][2]:.3f}" for of in columns) for name in columns[0]}
    styles = looks(areas)
    for axis, curves in zip(axes, columns, strict=True):
        axis.plot([0, 1], [0, 1], color=GRAY, linestyle=":", linewidth=1)
        for name, (false_rates, true_rates, _) in curves.items():
            axis.plot(false_rates, true_rates, label=f"{name}: AUC {areas[name]}", **styles[name])
        axis.set(xlim=(0, 1), ylim=(0, 1.01))
        axis.set_xlabel(wrapped(labels[0], WIDTH / 2.5), fontsize="small")
        axis.set_box_aspect(1)
    axes[0].set_ylabel(labels[1], fontsize="small")
    legend_below(figure, axes, most_columns=1)
    said = (f"{name}: AUC {', '.join(areas[name].split(' → '))}" for name in areas)
    figure.set_label(f"{' and '.join(curves_by_panel)}; {'; '.join(said)}")
    return figure


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
