"""The evaluation of a run: what it is made of, and its rows."""

import functools

from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from hm_tf.evaluation.retrieval_standard import standard_outcomes, standard_results
from hm_tf.evaluation.substitute import load_substitute, substitute_run
from hm_tf.ranking_attacks import STANDARD
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.results.result import shared_fields


def open_evaluation(
    run, pgd, *, seed, precision, batch_size, xla, limit_test, limit_queries, substitute, fresh
):
    """Returns the `RankingEvaluation` of a run, and its `Substitute` or None.

    Prints data, method and test images, and the doubts.

    Args:
        run: `FinishedRun` or `SavedRun`.
        pgd, batch_size, xla, fresh: see `RankingEvaluation`.
        seed, precision: see `shared_fields`.
        limit_test, limit_queries: how many images and queries are used; None for all.
        substitute: folder of the run to transfer images from, or None.
    """
    settings = {"batch_size": batch_size, "xla": xla}
    other = substitute and substitute_run(substitute, run)
    network, examples = run.network(precision), run.test_images(limit_test)
    about = shared_fields(network, **run.facts, precision=precision, seed=seed)
    evaluation = RankingEvaluation(
        network, examples, pgd, about, run.folder, fresh=fresh, **settings
    )
    if limit_queries:
        queries = spread_rows(evaluation.test_set.queries, limit_queries)
        evaluation = evaluation.of_queries(queries)
    print(f"{run.facts['dataset']}, {run.facts['method']}, {evaluation.test_set}")
    other = other and load_substitute(other, examples, precision, **settings)
    for doubt in evaluation.doubts:
        print(f"warning: {doubt.message}")
    return evaluation, other


def rows(evaluation, names, other, attacks, mode, strength, restarts):
    """Returns a function for each row of the table, in order, which measures its records.

    Args:
        evaluation: `RankingEvaluation`.
        names: names of the attacks as records have them.
        other: `Substitute`, or None.
        attacks, mode, strength, restarts: flags of hm_tf.evaluate.
    """
    found = [evaluation.clean_row]
    if attacks == [STANDARD]:
        return [*found, lambda: standard_results(evaluation, standard_outcomes(evaluation, names))]
    modes = ("compat", "fixed") if mode == "both" else (mode,)
    for mode in modes if names else ():
        found.append(functools.partial(evaluation.protocol_row, names, mode))
        if strength == "strong":
            found.append(functools.partial(evaluation.strong_rows, names, mode, restarts))
        if other:
            found.append(functools.partial(evaluation.protocol_row, names, mode, other))
    return found
