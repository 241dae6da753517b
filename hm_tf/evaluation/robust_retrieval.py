"""Retrieval of any embedding network under attack, in one call."""

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from hm_tf.defenses.build import pgd_from_image
from hm_tf.evaluation.metric_evaluation import clean_values
from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.ranking_table import ranking_table
from hm_tf.evaluation.retrieval_standard import MODE, standard_outcomes, standard_results
from hm_tf.evaluation.robustness_score import COLUMNS
from hm_tf.ranking_attacks import STANDARD
from hm_tf.ranking_attacks.registry import attack_names
from robust_tf.attacks.logits_of import label_numbers
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.data.examples import Examples
from robust_tf.errors import UserError, whole_number
from robust_tf.evaluation.input_range import images_in_unit_range
from robust_tf.evaluation.saved_embedding import SavedEmbedding
from robust_tf.evaluation.saved_signature import SavedSignature, newest_version
from robust_tf.models.keras_network import UNIT_RANGE, as_embedding
from robust_tf.results.result import doubted, shared_fields
from robust_tf.settings import value_range
from robust_tf.threat_model import ThreatModel, pixel_ball
from robust_tf.training.adversarial_model import AdversarialModel
from robust_tf.training.strategy import in_float32


@dataclasses.dataclass(frozen=True, eq=False)
class RobustRetrieval:
    """What `robust_retrieval` found; print it for the table of the HM paper.

    Attributes:
        clean: dict "R@1", "R@2", "mAP", "MAP@R", "MAP@10" -> float [s], of each image that has
            another one of its class.
        attacked: dict column of the table -> float [q], of each attacked query: shares and ranks in
            [0, 1], cosines, distances.
        queries: int [q], rows of the attacked images.
        recall: R@1 of the clean images, in [0, 1].
        robust_recall: R@1 of the attacked queries, each in the worst of ES, LTM and GTM; None
            without two of them.
        score: ERS, 0 to 100; None without all ten columns, or where the network has collapsed.
        threat_model: `ThreatModel` of the attacks.
        warnings: list of str, the doubts of the free checks.
        table: All means as text, with n and 95 % intervals.
    """

    clean: dict[str, np.ndarray]
    attacked: dict[str, np.ndarray]
    queries: np.ndarray
    recall: float
    robust_recall: float | None
    score: float | None
    threat_model: ThreatModel
    warnings: list[str]
    table: str

    def __repr__(self) -> str:  # print, a prompt and a notebook show this
        return f"{self.threat_model}\n\n{self.table}" if self.attacked else self.table


@in_float32()
def robust_retrieval(
    model: Any,
    x: Any,
    y: Any,
    *,
    attacks: str | Sequence[str] = STANDARD,
    eps: float | str,
    norm: str = "linf",
    steps: int = 32,
    embedding: str | None = None,
    queries: int | None = None,
    batch_size: int = 128,
    seed: int = 0,
    input_range: tuple[float, float] = UNIT_RANGE,
    jit_compile: bool = False,
    progress: bool = True,
) -> RobustRetrieval:
    """Attacks the queries of an embedding network, in a gallery of all other images.

    The gallery is clean. It measures without TensorFloat-32 and gives the setting back. `python -m
    hm_tf.evaluate` does the same and resumes after a kill.

    Args:
        model: `keras.Model` from images to embeddings, a defense of `hm_tf`, or the path of a
            SavedModel. Embeddings are divided by their length; a SavedModel must do so itself.
        x: images [n, h, w, c], array or tensor; uint8, or float in `input_range`.
        y: labels, int [n] or one-hot [n, classes].
        attacks: "standard", the ensemble of docs/retrieval_standard.md; or the attacks of the HM
            paper by name, one or several: "ES", ["LTM", "GTM"], "all"; "none": clean images only.
        eps: radius of the ball where [0, 1] is the range of a pixel, "8/255" is understood.
        norm: "linf" or "l2".
        steps: steps of a named attack, of 2.5 * eps / steps; "standard" has its own.
        embedding: name of the layer, or of the SavedModel's output, that is the embedding. None
            takes the only output, or the output "embedding".
        queries: How many images are attacked, spread over the set; None means all.
        batch_size: images attacked together; the result does not depend on it.
        seed: Seed of the random draws.
        input_range: (low, high), the values that the model takes for black and white. A defense
            takes (0, 1).
        jit_compile: whether XLA compiles the attacks.
        progress: whether to show progress bars.

    Returns:
        `RobustRetrieval`.

    Raises:
        ValueError: a wrong radius, images outside `input_range`, labels that do not fit, no model,
            a number of steps, queries or images of a batch below 1.
        UserError: an unknown attack, images of another size than the model's, one class only, no
            two images of a class, no embedding in the model.
        RunError: embeddings that are not finite, an attack that left its ball or box.
    """
    for name, count in {"steps": steps, "queries": queries, "batch_size": batch_size}.items():
        if count is not None:
            whole_number(name, count, lowest=1)
    input_range = value_range("input_range", input_range)
    given = list(attacks) if isinstance(attacks, (list, tuple)) else [attacks]
    names, ball = attack_names(given), pixel_ball(eps, norm)
    examples = Examples(images_in_unit_range(x, input_range, model), label_numbers(y))
    network = _network(model, examples.image_shape, embedding, input_range)
    settings = {"batch_size": batch_size, "xla": jit_compile, "progress": progress}
    facts = {"dataset": "images", "method": network.name, "training_seed": 0}
    about = shared_fields(network, **facts, seed=seed)
    pgd = pgd_from_image(ball.eps, steps, None, ball.norm)
    evaluation = RankingEvaluation(network, examples, pgd, about, **settings)
    if queries is not None:
        evaluation = evaluation.of_queries(spread_rows(evaluation.test_set.queries, queries))
    test_set, doubts = evaluation.test_set, evaluation.doubts
    if given == [STANDARD]:
        outcomes = standard_outcomes(evaluation, names)
        attacked = standard_results(evaluation, outcomes)
    else:
        outcomes = {name: evaluation.runs(name, MODE)[0] for name in names}
        attacked = evaluation.protocol_results(outcomes, MODE)
    results = doubted([*evaluation.clean_row(), *attacked], doubts)
    for doubt in doubts:
        warnings.warn(doubt.message, stacklevel=3)  # `in_float32` lies between
    means = {result.attack: result.value for result in results}
    score = None if test_set.collapsed else means.get("ERS")
    return RobustRetrieval(
        clean=clean_values(test_set),
        attacked={c.name: outcomes[c.attack][c.measure] for c in COLUMNS if c.attack in outcomes},
        queries=test_set.queries,
        recall=float(test_set.retrieval.recall_at(1).mean()),
        robust_recall=means.get(WORST_CASE),
        score=score and 100 * score,
        threat_model=ball,
        warnings=[doubt.message for doubt in doubts],
        table=ranking_table(results),
    )


def _network(model, image_shape, embedding, input_range):
    """The model with unit vectors as the output "embedding", of images in [0, 1]."""
    if isinstance(model, (str, os.PathLike)):
        signature = SavedSignature(newest_version(model), input_range=input_range)
        output = embedding or signature.output_like("embedding")
        if output not in signature.widths:
            outputs = ", ".join(signature.widths)
            raise UserError(
                f"{model} has no output {output!r}; name one with embedding=: {outputs}"
            )
        return SavedEmbedding(signature, image_shape, output=output)
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"the model is a keras.Model or the path of a SavedModel, not {type(model).__name__}"
        )
    network = model.network if isinstance(model, AdversarialModel) else model
    return as_embedding(network, embedding=embedding, input_range=input_range)
