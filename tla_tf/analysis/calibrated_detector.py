"""The detector of figure 5 with a threshold for a stated rate of false positives."""

import dataclasses

import numpy as np
import tensorflow as tf

from robust_tf.errors import UserError
from robust_tf.export.endpoints import float_endpoint
from robust_tf.reports.recorded_run import recorded_run
from robust_tf.results.result import weights_hash, wilson_interval
from tla_tf.analysis.embeddings_under_attack import embeddings_under_attack
from tla_tf.analysis.mixture_detection import MixtureDetector, MixtureScore, covariance_kind
from tla_tf.evaluation.detection_records import latest_areas
from tla_tf.evaluation.held_out_images import in_proportion, split_held_out
from tla_tf.runs.finished_run import ball

# Images of each part; the covariances do not get better with more, and an export stays short.
MOST = 10_000
HELD_OUT_SHARE = 5  # one in so many training images, where the training saw them all


@dataclasses.dataclass(frozen=True)
class CalibratedDetector:
    """Accepts an image whose confidence is at least a threshold.

    Attributes:
        score: `MixtureScore`, the confidence c of embeddings.
        threshold: float, a log density.
        facts: dict for the sidecar.
    """

    score: MixtureScore
    threshold: float
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


def detector_of_run(run, network, false_positive_rate):
    """Returns the `CalibratedDetector` of a run; its facts say what it rejects of test images.

    Args:
        run: `FinishedRun`.
        network: Network of the run.
        false_positive_rate: see `calibrate`.

    Raises:
        UserError: see `calibrate`.
    """
    fitted, others, facts = detector_images(run)
    detector = calibrate(network, fitted, others, false_positive_rate)
    test = _spread(run.dataset.load("test"))
    embeddings = embeddings_under_attack(network, test, progress=False)["embedding"]
    rejected = int(np.sum(~(detector.score.of_many(embeddings) >= detector.threshold)))
    low, high = wilson_interval(rejected, len(test))
    unseen = facts["calibrated_on_images_unseen_in_training"]
    facts |= {
        "false_positive_rate_on_test_images": rejected / len(test),
        "interval_of_this_rate": (low, high),
        "reason_of_this_rate": excess_reason(unseen, run.info)
        if low > false_positive_rate
        else None,
        "test_images": len(test),
        "limit": _limit(run, network),
    }
    return dataclasses.replace(detector, facts={**detector.facts, **facts})


def excess_reason(unseen, info):
    """Returns why more clean test images are rejected than asked for, a sentence of text.

    Args:
        unseen: whether the training has not seen the images of the calibration.
        info: `DatasetInfo`.
    """
    reasons = [] if unseen else ["the network is more confident on images of its training"]
    reasons += [info.shift] if info.shift else []
    unknown = "the images of the calibration are too few, or unlike the test images"
    return "; ".join(reasons) or unknown


def _limit(run, network):
    """The honest limit of the detector, with the area under its curve where a record has it."""
    limit = (
        "An attack that knows the detector makes adversarial images of high density: do not rely "
        "on `accepted` against an attacker."
    )
    results = recorded_run(run.folder.path).measured
    areas = latest_areas(results, weights_hash(network), ball(run.flags))
    if areas is None:
        return f"{limit} Not measured for this run; tla_tf.analyze --outputs=figure5 does it."
    plain, known = (f"{area.value:.3f}" for area in areas)
    return f"{limit} Area under the ROC curve: {plain}, under an attack that knows it {known}."


def calibrate(network, fitted, others, false_positive_rate):
    """Fits the detector to images and puts its threshold where it rejects a share of others.

    Args:
        network: classifier with the output "embedding".
        fitted: `Examples`; every class that occurs needs two images.
        others: `Examples` that the Gaussians are not fitted to.
        false_positive_rate: float in (0, 1), the share of clean images to reject.

    Raises:
        UserError: fewer than two images of a class, or too few other images for the rate.
    """
    if np.unique(fitted.labels, return_counts=True)[1].min() < 2:
        raise UserError("the detector needs at least two training images of every class")
    train, held_out = (
        embeddings_under_attack(network, examples, progress=False)["embedding"]
        for examples in (fitted, others)
    )
    kind = covariance_kind(fitted.labels, train.shape[1])
    score = MixtureScore(MixtureDetector(train, fitted.labels, kind))
    threshold = conformal_threshold(score.of_many(held_out), false_positive_rate)
    facts = {
        "covariance": kind,
        "fitted_to_images": len(fitted),
        "calibrated_on_images": len(others),
        "false_positive_rate_asked_for": false_positive_rate,
        "threshold": threshold,
    }
    return CalibratedDetector(score, threshold, facts)


def conformal_threshold(confidence, false_positive_rate):
    """Returns the threshold that a new image falls below with at most a given probability.

    Split conformal prediction: among n + 1 exchangeable images the new one has every rank with the
    same probability. It lies below the k-th smallest of the n others with k / (n + 1).

    Args:
        confidence: float [n], of images that neither network nor Gaussians were fitted to.
        false_positive_rate: float in (0, 1).

    Raises:
        UserError: fewer images than the rate needs.
    """
    rank = int(false_positive_rate * (len(confidence) + 1))
    if rank < 1:
        raise UserError(
            f"--detector_fpr={false_positive_rate:g} needs at least "
            f"{int(np.ceil(1 / false_positive_rate)) - 1} images to calibrate on; there are "
            f"{len(confidence)}"
        )
    return float(np.sort(confidence)[rank - 1])


def detector_images(run):
    """Returns (`Examples` to fit the detector to, `Examples` to calibrate it on, facts of these).

    The threshold holds for images like the images of the calibration, and a network is more
    confident on images of its training. So the calibration takes images that the training has not
    seen: of the validation split, of --held_out, or beyond --limit_train. Where there are none, it
    takes a fifth of the training images, and the facts say so.

    Args:
        run: `FinishedRun`.
    """
    train, held_out = run.dataset.load("train"), run.flags.get("held_out")
    limit, unseen = run.flags.get("limit_train"), True
    if "validation" in run.info.splits and "held_out" in run.flags:
        others = run.dataset.load("validation", held_out or None)
        fitted, source = train.take(limit), "images of the validation split"
    elif held_out:
        fitted, others = split_held_out(train, held_out)
        fitted, source = fitted.take(limit), "images held out of the training"
    elif limit and limit < len(train):
        fitted, others = train.take(limit), train.rows(slice(limit, None))
        source = "training images beyond --limit_train"
    else:  # also imported weights, whose training is not known
        fitted, others = split_held_out(train, max(1, len(train) // HELD_OUT_SHARE))
        source, unseen = "training images that the Gaussians are not fitted to", False
    facts = {"calibrated_on": source, "calibrated_on_images_unseen_in_training": unseen}
    return _spread(fitted), _spread(others), facts


def _spread(examples):
    """At most `MOST` of the examples, of every class its share."""
    if len(examples) <= MOST:
        return examples
    return examples.rows(in_proportion(examples.labels, MOST))
