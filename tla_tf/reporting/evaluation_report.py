"""What an evaluation prints: its table, and what the table does not say."""

from robust_tf.reports.result_tables import accuracy_table
from tla_tf.evaluation.run_evaluation import lower_worst_case
from tla_tf.reporting.cleverhans_comparison import cleverhans_comparison


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
        parts.append(cleverhans_comparison(results))
    return "\n\n".join(filter(None, parts))
