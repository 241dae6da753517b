"""The areas under the curves of figure 5 in records, and where the checks find them again."""

import dataclasses
import itertools

from robust_tf.evaluation.reference_images import reference_share

AREA = " detection AUC, "
COVARIANCE = " covariance"
KNOWN = ", detector known"


def area_metric(detected, covariance, *, known):
    """Returns the metric's name; `known`: of the attack that knows the detector."""
    return f"{detected}{AREA}{covariance}{COVARIANCE}{KNOWN if known else ''}"


def paper_metric(metric):
    """Returns the name of a metric in the paper's tables: it states no covariance."""
    name, area, _ = metric.partition(AREA)
    return f"{name}{AREA}".removesuffix(", ") if area and metric.endswith(COVARIANCE) else metric


def latest_areas(results, weights_hash, threat_model):
    """Returns the latest `Result`s of the attack and of the attack that knows the detector.

    Only results count whose detector was fitted to the largest share of the training images.

    Args:
        results: list of `Result` in the order they were measured.
        weights_hash: Hash of the network's weights.
        threat_model: `ThreatModel` of the attacks.

    Returns:
        None where there are none.
    """
    ball = dataclasses.asdict(threat_model)
    own = [
        result
        for result in results
        if AREA in result.metric
        and (result.weights_hash, result.threat_model) == (weights_hash, ball)
    ]
    pairs = [pair for pair in itertools.pairwise(own) if pair[1].metric == pair[0].metric + KNOWN]
    return max(reversed(pairs), key=lambda pair: reference_share(pair[0]), default=None)
