"""The accuracy of a run's classifier under attack, as records in its folder."""

import numpy as np

from robust_tf.evaluation.attack_column import CLEAN, WORST_CASE, Column
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.evaluation.classifier_evaluation import ClassifierEvaluation
from robust_tf.models.output_of import output_of
from robust_tf.results.cache import identity_of
from robust_tf.results.result import (
    append_results,
    as_warnings,
    measured_share,
    read_results,
    shared_fields,
)


class RunEvaluation(ClassifierEvaluation):
    """Appends a record of each outcome to `results.jsonl` of the run.

    Args:
        run: `FinishedRun` or `SavedRun`.
        examples: `Examples` of the test split.
        seed: Seed of the attacks' random draws.
        precision: Keras policy of the network under attack.
        **settings: of `ClassifierEvaluation`.

    Attributes:
        network: the classifier.
        about: dict of the fields that all records share.
        results: list of the new `Result`.
    """

    def __init__(self, run, examples, *, seed, precision, **settings):
        self.network = network = run.network(precision)
        self.results = []
        self.about = shared_fields(network, precision=precision, seed=seed, **run.facts)
        fixed_size = getattr(network, "batch_size", None) is not None
        super().__init__(
            output_of(network, "logits"),
            examples,
            seed=seed,
            identity=identity_of(self.about),
            folder=run.folder.path,
            fixed_size=fixed_size,
            dtype=np.dtype(network.inputs[0].dtype),
            **settings,
        )

    def add(self, outcome):
        """Records the outcome."""
        super().add(outcome)
        result = self._result(outcome)
        append_results(self.folder / "results.jsonl", [result])
        self.results.append(result)

    def clean_result(self):
        """Returns the `Result` of the clean images, without a record of it."""
        column = Column(CLEAN)
        return self._result(self._outcome(column, self.silent().correct(column)))

    def _result(self, outcome):
        return measured_share(
            self.about,
            "accuracy",
            outcome.correct,
            attack=outcome.name,
            settings=outcome.settings,
            threat_model=outcome.threat_model,
            after=outcome.after,
            warnings=as_warnings(self.checked.doubts),
        )


def correct_images(network, examples, preset=None):
    """Returns bool [n]: which images a classifier gets right, attacked by the `Preset` if any."""
    attack_batch = classify_attacked(output_of(network, "logits"), examples.labels, preset)
    fixed = getattr(network, "batch_size", None)
    sizes = {"batch_size": fixed or 250, "fixed_size": fixed is not None}
    title = preset.name if preset else CLEAN
    (run,) = attack_loop(attack_batch, examples, title=title, progress=False, **sizes)
    return run["correct"]


def lower_worst_case(result, folder):
    """Returns a line where a lower worst case of the same images and network is stored, else "".

    Args:
        result: `Result`, the worst case just measured.
        folder: with `results.jsonl`.
    """
    stored = [r for r in read_results(folder / "results.jsonl") if _is_worst_case_like(r, result)]
    lowest = min(stored, key=lambda r: r.value, default=result)
    if lowest.value >= result.value:
        return ""
    over = ", ".join(lowest.attack_settings["over"])
    return (
        f"lowest stored worst case: {100 * lowest.value:.2f} % (n={lowest.n}, over {over}); quote "
        "this one"
    )


def _is_worst_case_like(other, result):
    same = ("weights_hash", "dataset", "split", "n", "threat_model", "precision")
    return other.attack.startswith(WORST_CASE) and all(
        getattr(other, name) == getattr(result, name) for name in same
    )
