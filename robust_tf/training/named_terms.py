"""The names and shapes of what `loss_terms` of a defense returns."""

import tensorflow as tf

from robust_tf.errors import UserError

LOSS = "loss"  # the weighted sum of all terms, shown beside them


def require_names(term_weights, monitors):
    """Raises the UserError of a name that two shown values would share.

    Args:
        term_weights: dict name -> weight.
        monitors: names of the further values.
    """
    names = [LOSS, *term_weights, *monitors]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"two values are called {', '.join(twice)}: terms and monitors have names of their "
            f"own, and {LOSS} is the sum of the terms"
        )


def require_terms(returned, term_weights, trackers):
    """Returns (terms, monitors) of `loss_terms` with the terms as tensors.

    Args:
        returned: what the hook returned.
        term_weights: dict, name of each term -> weight.
        trackers: names that are shown; the second dict has some of them.

    Raises:
        UserError: no two dicts; a term that is missing or has no weight; a term of another shape
            than [n], whose mean or whose product with sample weights would be another number; a
            monitor without a name.
    """
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise UserError("loss_terms returns two dicts, (terms, monitors); the second may be {}")
    terms, shown = returned
    if set(terms) != set(term_weights):
        raise UserError(
            f"loss_terms returns the terms {_listed(terms)}; term_weights names "
            f"{_listed(term_weights)}"
        )
    if unknown := set(shown) - set(trackers):
        raise UserError(f"loss_terms returns {_listed(unknown)}; name it in monitors=")
    terms = {name: tf.convert_to_tensor(values) for name, values in terms.items()}
    for name, values in terms.items():
        if values.shape.rank != 1:
            raise UserError(
                f"loss_terms: {name} has the shape {values.shape}; a term has one value per image "
                "or triplet, [n]"
            )
    return terms, shown


def _listed(names):
    return ", ".join(sorted(names)) or "none"
