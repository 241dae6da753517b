"""What an evaluation was made on: only numbers of the same may be set side by side."""

from typing import NamedTuple

from hm_tf.evaluation.attack_strength import said_steps
from robust_tf.threat_model import ThreatModel


class EvaluationConditions(NamedTuple):
    """Attacker, precision, draws, queries and gallery of an evaluation.

    Mode and strength do not enter: they are what two evaluations on the same may differ in.

    Attributes:
        threat_model: `ThreatModel`.
        precision, seed: See `Result`.
        n: queries.
        gallery: images that they were ranked in.
        protocol: The protocol's PGD steps as text, beside which a strong attack stands; "" if
            unknown.
    """

    threat_model: ThreatModel
    precision: str
    seed: int
    n: int
    gallery: int
    protocol: str


def conditions_of_record(result):
    """Returns the `EvaluationConditions` of a `Result` of a ranking attack."""
    settings = result.attack_settings
    threat_model = ThreatModel(**result.threat_model)
    gallery = settings.get("gallery", result.n)
    place = result.n, gallery, _protocol(settings)
    return EvaluationConditions(threat_model, result.precision, result.seed, *place)


def conditions_of_evaluation(evaluation):
    """Returns the `EvaluationConditions` that the records of a `RankingEvaluation` have."""
    pgd, about, test_set = evaluation.pgd, evaluation.about, evaluation.test_set
    n = len(test_set.queries)
    gallery = len(test_set) if test_set.limited else n
    place = n, gallery, said_steps(pgd.steps, pgd.step_size)
    return EvaluationConditions(pgd.threat_model, about["precision"], about["seed"], *place)


def _protocol(settings):
    if "beside" in settings:
        return settings["beside"]
    known = settings.get("step_size") is not None
    return said_steps(settings["steps"], settings["step_size"]) if known else ""
