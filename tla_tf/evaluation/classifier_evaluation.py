"""The accuracy of a classifier under a list of attacks, as records in a folder."""

from robust_tf.results.result import append_results, measured_share, worst_case
from tla_tf.evaluation.attack_columns import CLEAN, ROUNDED, Column, simpler_losses
from tla_tf.evaluation.column_attacks import ColumnAttacks

WORST_CASE = "worst case"
WORST_CASE_ROUNDED = f"{WORST_CASE}, rounded"


class ClassifierEvaluation:
    """Runs columns of attacks and appends their records to `results.jsonl`.

    Args:
        attacks: `ColumnAttacks` of the network; the records go to its folder.

    Attributes:
        results: list of the new `Result`.
    """

    def __init__(self, attacks):
        self.attacks = attacks
        self.results = []
        self._outcomes = {}

    def run(self, columns):
        """Runs all columns, each that stands alone on all images."""
        self.attacks.refuse_others(columns)  # before any work
        classes = self.attacks.network.output["logits"].shape[-1]
        for line in simpler_losses(columns, classes):
            self.attacks.say(line)
        for column in columns:
            if column.ensemble is None:
                correct = self._outcomes[column.name] = self.attacks.attack(column)
                self._record_column(correct, column)
            elif column.ensemble not in self._outcomes:
                members = [c for c in columns if c.ensemble == column.ensemble]
                correct = self._outcomes[column.ensemble] = self._run_ensemble(members)
                names = [member.name for member in members]
                self._record(correct, column.ensemble, column.threat_model, {"members": names})

    def record_worst_case(self, threat_model):
        """Adds the per-image worst case over clean images and everything that was run in it."""
        clean = Column(CLEAN, None)
        outcomes = {CLEAN: self.attacks.attack(clean), **self._outcomes}
        names = sorted(outcomes)
        attacked = threat_model if names != [CLEAN] else None
        rounded = any(ROUNDED in name for name in names)
        title = WORST_CASE_ROUNDED if rounded else WORST_CASE
        self._record(worst_case(outcomes.values()), title, attacked, {"over": names})

    def _run_ensemble(self, members):
        """One after the other, each on what is still correct (AutoAttack, Croce and Hein 2020)."""
        correct = self._outcomes[CLEAN] = self.attacks.attack(Column(CLEAN, None))
        after = [CLEAN]
        for member in members:
            correct = self.attacks.attack(member, correct)
            self._record_column(correct, member, after)
            after = [*after, member.name]
        return correct

    def _record_column(self, correct, column, after=()):
        settings = self.attacks.settings(column)
        self._record(correct, column.name, column.threat_model, settings, after)

    def _record(self, correct, name, threat_model, settings, after=()):
        attack = {"attack": name, "settings": settings, "threat_model": threat_model}
        result = measured_share(self.attacks.about, "accuracy", correct, after=after, **attack)
        append_results(self.attacks.folder / "results.jsonl", [result])
        self.results.append(result)


def evaluation_of(run, examples, *, seed, precision, **options):
    """Returns the `ClassifierEvaluation` of a `FinishedRun`; `options` as of `ColumnAttacks`.

    Args:
        run: `FinishedRun`.
        examples: `Examples` of the test split.
        seed: int, of the random starts.
        precision: Keras policy of the network under attack.
    """
    about = {
        "dataset": run.info.name,
        "method": run.flags["method"],
        "training_seed": run.flags["seed"],
        "precision": precision,
        "seed": seed,
    }
    network, folder = run.network(precision), run.folder.path
    return ClassifierEvaluation(ColumnAttacks(network, examples, about, folder, **options))
