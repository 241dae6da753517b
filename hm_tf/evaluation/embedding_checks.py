"""Checks that the robustness of an embedding network must pass, as lines and records.

Accuracy is R@1 under ES, which drives a query away from its own place and needs no labels. Sources:
see robust_tf.checks.sanity_checks; spread and score are of metric learning alone.
"""

import dataclasses

import numpy as np
from scipy.stats import entropy

from hm_tf.evaluation.attack_strength import AttackStrength
from hm_tf.evaluation.evaluation_conditions import conditions_of_evaluation, conditions_of_record
from hm_tf.ranking_attacks import STANDARD
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.checks import sanity_checks as checks
from robust_tf.checks.network_probe import NetworkProbe
from robust_tf.checks.run_checks import three_passes, unbounded
from robust_tf.checks.sanity_checks import AMBER, GREEN, NOT_RUN, RED, Check
from robust_tf.results.check_records import append_checks
from robust_tf.results.result import read_results

# --checks level -> queries.
LEVELS = {"quick": 256, "full": 1000}
RESTARTS = 20
R1_ATTACKS = ("ES", "LTM", "GTM")
# Of the variance spectrum of the embeddings, as a number of equally strong directions.
FEW_DIRECTIONS = 2.0
SCORE_STANDS = "the score means something"


def check_evaluation(evaluation, results, level):
    """Runs the checks, appends them to `checks.jsonl` and returns their lines.

    Args:
        evaluation: `RankingEvaluation`.
        results: its records; what the folder has of these weights, measured on the same, counts
            as well.
        level: "quick" or "full".
    """
    results = [*results, *_stored(evaluation)]
    part = evaluation.of_queries(spread_rows(evaluation.test_set.queries, LEVELS[level]))
    n, pgd = len(part.test_set.queries), evaluation.pgd
    found = checks.enough_images(run_checks(part, evaluation, results), n, "queries")
    path, about, attack = evaluation.folder.path / "checks.jsonl", evaluation.about, f"ES, {pgd}"
    append_checks(path, found, about, n=n, attack=attack, threat_model=pgd.threat_model)
    return "\n".join([f"checks of R@1 under {attack}, on {n} queries:", *map(str, found)])


def run_checks(part, evaluation, results):
    """Yields the `Check`s.

    Args:
        part: `RankingEvaluation` of the queries to attack in many ways.
        evaluation: `RankingEvaluation` of all queries.
        results: Records of the same evaluation conditions.
    """
    pgd, test_set = evaluation.pgd, evaluation.test_set
    claimed = _recall(part, pgd)
    single = dataclasses.replace(pgd, steps=1, step_size=pgd.threat_model.eps)
    yield checks.single_step(_recall(part, single, "single step"), claimed)
    wide = dataclasses.replace(pgd, **unbounded(pgd, test_set.examples.image_shape))
    without_bound = _recall(part, wide, "unbounded")
    # So many classes of one size would have this chance.
    yield checks.unbounded(without_bound, 1 / max(test_set.chance, 1e-12))
    doubled = _recall(part, dataclasses.replace(pgd, steps=2 * pgd.steps), "steps doubled")
    advice = f"measure --eval_steps={2 * pgd.steps}"
    yield checks.converged(claimed, doubled)._replace(advice=advice)
    start = dataclasses.replace(pgd, random_start=True)
    often = claimed & _recall(part, start, "restarts", RESTARTS)
    measured = {r.attack_settings["strength"] for r in results if r.attack == "ES"}
    reported = [name for name in (STANDARD, "worst") if name in measured]
    advice = "measure --strength=strong"
    if reported:
        advice = f"quote the row {reported[0]}, which is measured"
    found = checks.restarts(claimed, often, bool(reported))
    yield found._replace(advice=f"{advice}, not one start alone")
    yield from _probed(embedding_probe(part), pgd)
    yield embeddings_spread(test_set)
    yield score_stands(results, test_set)
    recalls = [part.runs(name, "fixed")[0]["R@1"] > 0.5 for name in R1_ATTACKS]
    together = checks.per_example(np.logical_and.reduce(recalls), recalls)
    advice = f"quote what is correct under all of {', '.join(R1_ATTACKS)}"
    yield together._replace(advice=advice)


def embeddings_spread(test_set):
    """The embeddings must not lie together, nor along one direction."""
    directions = effective_directions(test_set.embeddings)
    recall = test_set.retrieval.recall_at(1).mean()
    figure = (
        f"mean cosine {test_set.mean_cosine:.3f}, {directions:.1f} effective directions, "
        f"R@1 {100 * recall:.2f} %, chance {100 * test_set.chance:.2f} %"
    )
    status = AMBER if directions < FEW_DIRECTIONS else GREEN
    advice = "the network has collapsed or is about to: no robustness score means anything"
    return Check("embeddings are spread", RED if test_set.collapsed else status, figure, advice)


def effective_directions(embeddings):
    """exp of the entropy of the variance spectrum: d if all are equal, 1 if one holds it all."""
    variances = np.maximum(np.linalg.eigvalsh(np.cov(np.asarray(embeddings, np.float64).T)), 0)
    return float(np.exp(entropy(variances))) if np.sum(variances) >= 1e-12 else 1.0


def score_stands(results, test_set):
    """ERS must come with all ten columns, of a network that has not collapsed."""
    scores = [result for result in results if result.attack == "ERS"]
    if not scores:
        return Check(SCORE_STANDS, AMBER, NOT_RUN, "measure all ten columns: --attacks=all")
    retrieval = test_set.retrieval
    recall, precision = retrieval.recall_at(1).mean(), retrieval.average_precision.mean()
    lowest = min(scores, key=lambda result: result.value)
    settings = lowest.attack_settings
    figure = f"lowest ERS {100 * lowest.value:.1f} ({settings['mode']}, {settings['strength']})"
    figure += f" beside R@1 {100 * recall:.2f} %, mAP {100 * precision:.2f} %"
    advice = "a collapsed network scores high: do not quote it"
    return Check(SCORE_STANDS, RED if test_set.collapsed else GREEN, figure, advice)


def _recall(part, pgd, strength="protocol", restarts=1):
    """Which queries keep R@1 under every restart of ES, bool [q]."""
    runs = part.runs("ES", "fixed", AttackStrength(pgd, strength, restarts))
    return np.logical_and.reduce([run["R@1"] > 0.5 for run in runs])


def embedding_probe(evaluation):
    """Returns the `NetworkProbe` of ES on the queries of a `RankingEvaluation`."""
    attack, ranker = evaluation.attack("ES", "fixed"), evaluation.ranker
    gallery = ranker.gallery

    def recalled(images, rows):
        return attack.measure(ranker.embed(images), gallery, rows, (rows,))[1] > 0.5

    return NetworkProbe(
        evaluation.test_set.examples,
        evaluation.test_set.queries,
        ranker.embed,
        objective=lambda images, rows: attack.objective(
            ranker.embed, images, gallery, rows, (rows,)
        ),
        correct=recalled,
        seed=evaluation.about["seed"],
        batch_size=evaluation.batch_size,
        progress=False,
    )


def _probed(probe, pgd):
    advice = "look for rounding or saturation in the network: these attacks see no slope there"
    # At the image itself only rounding decides where the embedding goes.
    yield checks.gradients(probe.gradient_norms(pgd.threat_model))._replace(advice=advice)
    yield checks.deterministic(*three_passes(probe))
    right, distances, lowest, highest = probe.trajectory(pgd)
    advice = "measure smaller steps, --eval_step_size, or --strength=strong, which keeps the best"
    yield checks.last_iterate(right)._replace(advice=advice)
    yield checks.legal(distances, lowest, highest, pgd.threat_model)


def _stored(evaluation):
    """What the folder has of these weights, measured on the same, list of `Result`."""
    path, weights = evaluation.folder.results, evaluation.about["weights_hash"]
    own = [
        r for r in read_results(path) if r.weights_hash == weights and "mode" in r.attack_settings
    ]
    here = conditions_of_evaluation(evaluation)
    return [result for result in own if conditions_of_record(result) == here]
