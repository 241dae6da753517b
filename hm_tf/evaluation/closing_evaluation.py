"""The evaluation at the end of a training: clean retrieval, and R@1 under the ES attack."""

from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet
from hm_tf.evaluation.embedding_doubts import embedding_doubts
from hm_tf.evaluation.metric_evaluation import clean_results, measured
from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from robust_tf.results.result import append_results, doubted, weights_hash

UNTRAINED = "R@1 before training"
# (attack, metric) without which a training is not measured.
METRICS = (*(("clean", name) for name in ("R@1", "R@2", "mAP", "MAP@R", "NMI")), ("ES", "R@1"))


def evaluate(network, examples, pgd, folder, *, untrained, batch_size, xla=False, **facts):
    """Measures `METRICS` and appends their records, and that of the network before training.

    Args:
        network: output "embedding".
        examples: `Examples`.
        pgd: `PGD` of the ES attack.
        folder: `RunFolder`.
        untrained: `Retrieval` of the first weights, on the same images.
        batch_size: images per embedded or attacked batch.
        xla: bool.
        **facts: dataset, method, training_seed and precision of the records.
    """
    about = shared_fields(network, seed=0, **facts)
    test_set = EmbeddedTestSet(network, examples, batch_size=batch_size, xla=xla)
    doubts = embedding_doubts(network, test_set, batch_size)
    settings = {"batch_size": batch_size, "xla": xla}
    evaluation = RankingEvaluation(network, test_set, pgd, about, folder, **settings)
    attacked = evaluation.protocol_row(["ES"], "fixed")
    recall = untrained.recall_at(1)
    before = measured("clean", UNTRAINED, recall, len(recall), about)
    results = [before, *clean_results(test_set, about)]
    results += [result for result in attacked if (result.attack, result.metric) in METRICS]
    results = doubted(results, doubts)
    append_results(folder.results, results)
    return results


def of_training(results):
    """Returns the `results` that `evaluate` measured first of all, in the order of the file."""
    first = {}
    for result in results:
        if result.attack == "clean" or (result.attack, result.metric) in METRICS:
            first.setdefault((result.attack, result.metric), result)
    return list(first.values())


def shared_fields(network, **facts):
    """The fields of `Result` that all records of an evaluation share."""
    fields = {"split": "test", "model": network.name, "weights_hash": weights_hash(network)}
    return {**fields, **facts}
