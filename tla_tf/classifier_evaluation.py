"""The accuracy of a classifier under a list of attacks, as records in a folder."""

import numpy as np

from robust_tf.evaluation.accuracy_result import (
    accuracy_result,
    attack_settings,
    worst_case,
)
from robust_tf.evaluation.outcome_store import OutcomeStore, digest, examples_hash
from robust_tf.evaluation.records import append_results, weights_hash
from robust_tf.evaluation.robust_accuracy import compile_attack, correct_predictions
from tla_tf.attack_columns import CLEAN, Column

WORST_CASE = "worst case"


class ClassifierEvaluation:
    """Attacks the test images of a network; every finished batch of it is kept on the disk.

    Args:
        network: classifier with the output "logits".
        examples: `Examples` of the test split.
        about: dict of dataset, method, training_seed, precision, seed, as in `Result`.
        folder: pathlib.Path; gets `results.jsonl` and, image by image, `evaluation/`.
        batch_size: images per attacked batch.
        xla: bool, whether the attacks are compiled with XLA.
        fresh: whether to attack again what is stored.
    """

    def __init__(self, network, examples, about, folder, *, batch_size, xla, fresh=False):
        self.network = network
        self.examples = examples
        self.about = {
            **about,
            "split": "test",
            "model": network.name,
            "weights_hash": weights_hash(network),
        }
        self.folder = folder
        self.results = []
        self.outcomes = {}
        self._batch_size = batch_size
        self._xla = xla
        self._fresh = fresh
        self._examples_hash = examples_hash(examples)

    def run(self, columns):
        """Runs all columns; the list of new `Result` is in `results` afterwards."""
        for column in columns:
            if column.ensemble is None:
                correct = self._attack(column)
                self._record(correct, column.name, column.preset)
            elif column.ensemble not in self.outcomes:
                members = [c for c in columns if c.ensemble == column.ensemble]
                correct = self._run_ensemble(members)
                names = [member.name for member in members]
                self._record(correct, column.ensemble, column.preset, {"members": names})
                self.outcomes[column.ensemble] = correct

    def record_worst_case(self):
        """Adds the per-image worst case over clean images and everything that was run."""
        self._attack(Column(CLEAN, None))
        correct = worst_case(self.outcomes.values())
        self._record(correct, WORST_CASE, None, {"over": sorted(self.outcomes)})

    def _run_ensemble(self, members):
        """One after the other, each on what is still correct (AutoAttack, Croce and Hein 2020)."""
        correct, after = self._attack(Column(CLEAN, None)), [CLEAN]
        for member in members:
            correct = self._attack(member, correct)
            self._record(correct, member.name, member.preset, after=after)
            after = [*after, member.name]
        return correct

    def _attack(self, column, standing=None):
        if standing is None and column.name in self.outcomes:
            return self.outcomes[column.name]
        preset = column.preset
        identity = self._identity(column, standing)
        store = OutcomeStore(self.folder / "evaluation", identity, fresh=self._fresh)
        correct = correct_predictions(
            self.network,
            self.examples,
            preset,
            batch_size=self._batch_size,
            seed=self.about["seed"],
            attack_batch=compile_attack(self.network, preset, jit_compile=self._xla),
            standing=standing,
            outcomes=store,
        )
        if not store.added:
            print(f"{column.name}: stored ({100 * correct.mean():.2f} %); --fresh measures again")
        if standing is None:
            self.outcomes[column.name] = correct
        return correct

    def _identity(self, column, standing):
        attacked = np.ones(len(self.examples), bool) if standing is None else standing
        return {
            **self.about,
            "attack": column.name,
            "settings": self._settings(column.preset),
            "threat_model": column.preset and vars(column.preset.attack.threat_model),
            "batch_size": self._batch_size,
            "examples": self._examples_hash,
            "attacked": digest(attacked.tolist()),
        }

    def _settings(self, preset):
        return attack_settings(preset, self.network.output["logits"].shape[-1])

    def _record(self, correct, name, preset, settings=None, after=()):
        result = accuracy_result(
            correct,
            name,
            self.about,
            settings=self._settings(preset) if settings is None else settings,
            threat_model=preset and preset.attack.threat_model,
            after=after,
        )
        append_results(self.folder / "results.jsonl", [result])
        self.results.append(result)


def evaluation_of(run, examples, *, seed, precision, **options):
    """Returns the `ClassifierEvaluation` of a `FinishedRun`; `options` as of that class.

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
    return ClassifierEvaluation(
        run.network(precision), examples, about, run.folder.path, **options
    )
