"""The attacks of cleverhans beside ours, made of stored results only."""

import re

from tla_tf.evaluation.attack_columns import counterpart

MIM = "cleverhans' mim normalises gradients, ours only with --mim_form=l1."


def cleverhans_comparison(results):
    """Returns lines of text, one per attack of cleverhans whose counterpart is in `results` too."""
    accuracy = {result.column: 100 * result.value for result in results}
    # The form of our momentum, as in "mim7-l1", is in the name.
    columns = {re.sub("-(l1|ema)", "", column): column for column in accuracy}
    lines = []
    for name, theirs in accuracy.items():
        ours = columns.get(counterpart(name))
        if ours is not None:
            lines.append(
                f"{name} {theirs:.2f} %, our {ours} {accuracy[ours]:.2f} %, "
                f"difference {accuracy[ours] - theirs:+.2f} points"
            )
    return "\n".join([*lines, MIM]) if lines else ""
