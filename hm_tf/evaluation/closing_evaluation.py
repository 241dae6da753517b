"""The evaluation at the end of a training: clean retrieval, and R@1 under the ES attack."""

from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch, measured
from hm_tf.evaluation.ranking_evaluation import RankingEvaluation
from robust_tf.evaluation.retrieval import retrieve
from robust_tf.results.result import append_results, doubted, read_results, shared_fields

UNTRAINED = "R@1 before training"
# (attack, metric) without which a training is not measured.
METRICS = (*(("clean", name) for name in ("R@1", "R@2", "mAP", "MAP@R", "NMI")), ("ES", "R@1"))


def evaluate(network, examples, pgd, folder, *, first_weights, batch_size, xla=False, **facts):
    """Measures `METRICS` and appends their records, after R@1 of the network before training.

    A folder keeps its first record of R@1 before training.

    Args:
        network: output "embedding".
        examples: `Examples`.
        pgd: `PGD` of the ES attack.
        folder: `RunFolder`.
        first_weights: Weights of the network before training, a list of arrays.
        batch_size: images per embedded or attacked batch.
        xla: bool.
        **facts: dataset, method, training_seed and precision of the records.
    """
    about = shared_fields(network, seed=0, **facts)
    settings = {"batch_size": batch_size, "xla": xla}
    evaluation = RankingEvaluation(network, examples, pgd, about, folder, **settings)
    doubts = evaluation.doubts
    attacked = evaluation.protocol_row(["ES"], "fixed")
    results = evaluation.clean_row()
    if UNTRAINED not in {result.metric for result in read_results(folder.results)}:
        recall = _first_recall(network, examples, first_weights, **settings)
        results.insert(0, measured("clean", UNTRAINED, recall, about))
    results += [result for result in attacked if (result.attack, result.metric) in METRICS]
    results = doubted(results, doubts)
    append_results(folder.results, results)
    return results


def _first_recall(network, examples, first_weights, batch_size, xla):
    """R@1 of each query before training, which is no merit of the training; float [q]."""
    trained = network.get_weights()
    network.set_weights(first_weights)
    embeddings = embed(embedding_of_batch(network, xla=xla), examples, batch_size)
    network.set_weights(trained)
    return retrieve(embeddings, examples.labels).recall_at(1)


def of_training(results):
    """Returns the `results` that `evaluate` measured first of all, in the order of the file."""
    first = {}
    for result in results:
        if result.attack == "clean" or (result.attack, result.metric) in METRICS:
            first.setdefault((result.attack, result.metric), result)
    return list(first.values())
