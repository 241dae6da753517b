"""What an attack may not give back: values that are not finite, images outside ball or box."""

import numpy as np

from robust_tf.errors import RunError


def check_outcome(title, number, values, inside, *, what="values"):
    """Stops an evaluation whose numbers would mean nothing.

    Args:
        title: str, of the attack.
        number: int, of the batch.
        values: float array, what the network or the measure gave.
        inside: bool [n], whether each attacked image is within the threat model.
        what: str, what the values are.

    Raises:
        RunError: a value that is not finite, an image that left the ball or the box.
    """
    if not np.isfinite(values).all():
        raise RunError(f"{title}: {what} of batch {number} are not finite")
    if not inside.all():
        raise RunError(
            f"{title}: {np.sum(~inside)} images of batch {number} left the ball or the box of the "
            "threat model; their result would mean nothing"
        )
