"""Which item of the gallery is the query's own, and what it finds without it."""

import tensorflow as tf

from hm_tf.ranking_attacks.neighbours import Search, find, nearest


def own_item(gallery, rows, mode):
    """The item removed from the list of a query: int32 [b].

    fixed: its own. compat: the nearest to the clean query, which is another one where the gallery
    has the same embedding twice (the lower index comes first).

    Args:
        gallery: `Gallery`.
        rows: int32 [b], the indices of the queries.
        mode: "compat" or "fixed".
    """
    if mode == "fixed":
        return rows
    queries = gallery.vectors(rows)
    other, _ = nearest(gallery, queries, rows[:, None])
    equal = gallery.distance(queries, other) == 0.0
    return tf.where(equal & (other < rows), other, rows)


def recall_at_one(adversarial, gallery, rows, own):
    """Whether the nearest item but for `own` is of the query's class: float [b], 1 or 0.

    An item of another class that is just as near comes first, as in robust_tf.evaluation.retrieval.

    Args:
        adversarial: float [b, d].
        gallery: `Gallery`.
        rows, own: int32 [b].
    """
    labels = gallery.labels_of(rows)[:, None]
    same = Search(lambda block: block.labels == labels)
    others = Search(lambda block: block.labels != labels)
    (right, any_right), (wrong, any_wrong) = find(gallery, adversarial, own[:, None], same, others)
    nearer = gallery.distance(adversarial, right) < gallery.distance(adversarial, wrong)
    return tf.cast(any_right & (nearer | ~any_wrong), adversarial.dtype)
