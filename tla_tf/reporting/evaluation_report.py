"""What an evaluation prints: its table, and what the table does not say."""

import re

from robust_tf.reports.result_tables import accuracy_table
from tla_tf.evaluation.attack_columns import counterpart
from tla_tf.evaluation.run_evaluation import lower_worst_case

MIM = "cleverhans' mim normalises gradients, ours only with --mim_form=l1."


def report(evaluation, clean, attacks, substitute):
    """Returns the results as text.

    Args:
        evaluation: `RunEvaluation`; its last result is the worst case, if anything attacked.
        clean: `Result` of the clean images.
        attacks: names that the user gave.
        substitute: folders of the substitutes.
    """
    results = evaluation.results
    shown = results if any(r.attack == clean.attack for r in results) else [clean, *results]
    parts = [accuracy_table(shown), lower_worst_case(results[-1], evaluation.folder)]
    if "table1" in attacks and not substitute:
        parts.append("left out: the black-box column of table 1; it needs --substitute=RUN")
    if "cleverhans" in attacks:
        parts.append(_cleverhans_comparison(results))
    return "\n\n".join(filter(None, parts))


def _cleverhans_comparison(results):
    """A line per attack of cleverhans whose counterpart is in `results` too."""
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
