"""The ES attack on a SavedModel, and on the network that it was made of."""

from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from robust_tf.attacks.pgd import PGD
from robust_tf.evaluation.saved_embedding import SavedEmbedding
from robust_tf.evaluation.saved_signature import SavedSignature
from robust_tf.export.verification import compare_outcomes
from robust_tf.results.result import shared_fields

# Every step multiplies what two graphs round differently. On a ResNet, 48 of 128 queries were right
# after 8 steps and 46 after 32.
STEPS = 8


def attack_artefact(path, run, network, test):
    """Returns what the attack showed, see `compare_outcomes`.

    The attack starts at random. At the image itself the distance is zero, and the rounding of the
    graph decides the first step: network and SavedModel would go different ways.

    Args:
        path: folder of the SavedModel.
        run: `FinishedRun`.
        network: Network of the run.
        test: `Examples`, queries and gallery.

    Raises:
        RunError: the SavedModel does not do what the network does.
    """
    saved = SavedEmbedding(SavedSignature(path), run.info.image_shape)
    pgd = PGD(run.attack().threat_model, steps=STEPS)
    own, found = (_found_right(attacked, run, test, pgd) for attacked in (network, saved))
    title = f"R@1 under ES, {pgd.threat_model}, {pgd.steps} steps from a random start:"
    return compare_outcomes(path, title, own, found)


def _found_right(network, run, test, pgd):
    """bool [q], whether the nearest image of an attacked query is of its class."""
    evaluation = RankingEvaluation(network, test, pgd, shared_fields(network, **run.facts))
    return evaluation.runs("ES", "fixed")[0]["R@1"] > 0
