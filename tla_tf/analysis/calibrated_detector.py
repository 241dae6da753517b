"""The detector of figure 5 with a threshold for a stated rate of false positives."""

import dataclasses

import numpy as np
import tensorflow as tf

from robust_tf.errors import UserError
from robust_tf.export.endpoints import float_endpoint
from robust_tf.reports.recorded_run import recorded_run
from robust_tf.results.result import weights_hash
from robust_tf.threat_model import ThreatModel
from tla_tf.analysis.detection_records import latest_areas
from tla_tf.analysis.embeddings_under_attack import embeddings_under_attack
from tla_tf.analysis.gaussian_log_density import MixtureScore
from tla_tf.analysis.mixture_detection import MixtureDetector, covariance_kind
from tla_tf.evaluation.held_out_images import split_held_out

# Images of each part; the covariances do not get better with more, and an export stays short.
MOST = 10_000
HELD_OUT_SHARE = 5  # one in so many training images, where the training held none out


@dataclasses.dataclass(frozen=True)
class CalibratedDetector:
    """Accepts an image whose confidence is at least a threshold.

    Attributes:
        score: `MixtureScore`, the confidence c of embeddings.
        threshold: float, a log density.
        false_positive_rate: float, the rate asked for.
        facts: dict for the sidecar.
    """

    score: MixtureScore
    threshold: float
    false_positive_rate: float
    facts: dict

    def accepts(self, embeddings):
        """Returns (confidence float32 [n], bool [n]) of embeddings, float32 [n, d]."""
        confidence = self.score(embeddings)
        return confidence, confidence >= self.threshold

    def endpoint(self, answer, info):
        """Returns the `Endpoint` `detect`.

        Args:
            answer: function of `serving_default`, see `classifier_answer`.
            info: `DatasetInfo` of the training.
        """

        def detect(images):
            outputs = answer(images)
            confidence, accepted = self.accepts(outputs["embedding"])
            return {
                "confidence": confidence,
                # One per image: a server's row format knows no output without the batch axis.
                "threshold": tf.fill(tf.shape(confidence), self.threshold),
                "accepted": accepted,
                "class": outputs["class"],
                "class_name": outputs["class_name"],
            }

        about = "Accepts or rejects images by the density of their embeddings."
        return float_endpoint("detect", detect, info.image_shape, about)


def detector_of_run(run, network, test, false_positive_rate):
    """Returns the `CalibratedDetector` of a run; its facts say what it rejects of test images.

    Args:
        run: `FinishedRun`.
        network: Network of the run.
        test: `Examples` of the test split.
        false_positive_rate: see `calibrate`.

    Raises:
        UserError: see `calibrate`.
    """
    fitted, held_out, source = detector_images(run)
    detector = calibrate(network, fitted, held_out, false_positive_rate)
    embeddings = embeddings_under_attack(network, test, progress=False)["embedding"]
    _, accepted = detector.accepts(tf.constant(embeddings))
    measured = {
        "calibrated_on": source,
        "false_positive_rate_on_test_images": 1 - float(np.mean(accepted)),
        "test_images": len(test),
        "limit": _limit(run, network),
    }
    return dataclasses.replace(detector, facts={**detector.facts, **measured})


def _limit(run, network):
    """The honest limit of the detector, with the area under its curve where a record has it."""
    limit = (
        "An attack that knows the detector makes adversarial images of high density: do not rely "
        "on `accepted` against an attacker."
    )
    results = recorded_run(run.folder.path).measured
    threat_model = ThreatModel(run.flags["eps"], run.flags["norm"])
    areas = latest_areas(results, weights_hash(network), threat_model)
    if areas is None:
        return f"{limit} Not measured for this run; tla_tf.analyze --outputs=figure5 does it."
    plain, known = (f"{area.value:.3f}" for area in areas)
    return f"{limit} Area under the ROC curve: {plain}, under an attack that knows it {known}."


def calibrate(network, fitted, held_out, false_positive_rate):
    """Fits the detector to images and puts its threshold where it rejects a share of others.

    Args:
        network: classifier with the output "embedding".
        fitted: `Examples`; every class that occurs needs two images.
        held_out: `Examples` that the Gaussians are not fitted to.
        false_positive_rate: float in (0, 1), the share of `held_out` to reject.

    Raises:
        UserError: fewer than two images of a class, or too few held-out images for the rate.
    """
    if np.unique(fitted.labels, return_counts=True)[1].min() < 2:
        raise UserError("the detector needs at least two training images of every class")
    if false_positive_rate * len(held_out) < 1:
        raise UserError(
            f"--detector_fpr={false_positive_rate:g} needs at least "
            f"{int(np.ceil(1 / false_positive_rate))} held-out images; there are {len(held_out)}"
        )
    train, others = (
        embeddings_under_attack(network, examples, progress=False)["embedding"]
        for examples in (fitted, held_out)
    )
    kind = covariance_kind(fitted.labels, train.shape[1])
    score = MixtureScore(MixtureDetector(train, fitted.labels, kind))
    confidence = np.sort(score(tf.constant(others)))
    threshold = float(confidence[int(false_positive_rate * len(confidence))])
    facts = {
        "covariance": kind,
        "fitted_to_images": len(fitted),
        "calibrated_on_images": len(held_out),
        "false_positive_rate_asked_for": false_positive_rate,
        "threshold": threshold,
    }
    return CalibratedDetector(score, threshold, false_positive_rate, facts)


def detector_images(run):
    """Returns (`Examples` to fit the detector to, `Examples` to calibrate it on, str, from where).

    The images that the training held out are best: no network has seen them. Without them, a fifth
    of the training images is kept from the fit, though not from the training.

    Args:
        run: `FinishedRun`.
    """
    count = run.flags.get("held_out")
    train = run.dataset.load("train")
    if count and "validation" in run.info.splits:
        return _spread(train), _spread(run.dataset.load("validation", count)), "validation images"
    parts = split_held_out(train, count or max(1, len(train) // HELD_OUT_SHARE))
    source = "images held out of the training" if count else "training images kept from the fit"
    return *map(_spread, parts), source


def _spread(examples):
    """At most `MOST` of the examples, at equal distances."""
    if len(examples) <= MOST:
        return examples
    return examples.rows(np.arange(MOST) * len(examples) // MOST)
