"""The accuracy of a classifier under a list of attacks, as records in a folder."""

import copy

import numpy as np

from robust_tf.data.examples import Examples
from robust_tf.evaluation.accuracy_result import (
    accuracy_result,
    attack_settings,
    worst_case,
)
from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.evaluation.outcome_store import OutcomeStore, digest, examples_hash
from robust_tf.evaluation.records import append_results, weights_hash
from robust_tf.evaluation.robust_accuracy import compile_attack, correct_predictions
from tla_tf.evaluation.attack_columns import CLEAN, ROUNDED, Column, simpler_losses

WORST_CASE = "worst case"
WORST_CASE_ROUNDED = f"{WORST_CASE}, rounded"


class ClassifierEvaluation:
    """Attacks the test images of a network; every finished batch of it is kept on the disk.

    Args:
        network: classifier with the output "logits".
        examples: `Examples` of the test split.
        about: dict of dataset, method, training_seed, precision, seed, as in `Result`.
        folder: pathlib.Path; gets `results.jsonl` and, image by image, `evaluation/`.
        batch_size: images per attacked batch.
        xla: bool, whether the attacks are compiled with XLA.
        substitutes: list of `Substitute`, the networks that columns name to transfer from.
        fresh: whether to attack again what is stored.
        save_adversarial: whether to keep the images, in `adversarial/`, and to take those kept.
    """

    def __init__(
        self,
        network,
        examples,
        about,
        folder,
        *,
        batch_size,
        xla,
        substitutes=(),
        fresh=False,
        save_adversarial=False,
    ):
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
        self._ran = {}
        self._quiet = False
        self.batch_size = batch_size
        self._xla = xla
        self._fresh = fresh
        self._substitutes = {substitute.name: substitute for substitute in substitutes}
        self._save_adversarial = save_adversarial
        self._examples_hash = examples_hash(examples)

    def run(self, columns):
        """Runs all columns; the list of new `Result` is in `results` afterwards."""
        for column in columns:
            self._adversarial(column)  # a file of other weights is refused before any work
        for line in simpler_losses(columns, self.network.output["logits"].shape[-1]):
            self._say(line)
        for column in columns:
            if column.ensemble is None:
                correct = self._attack(column)
                self._record(correct, column.name, _threat_model(column), self._settings(column))
            elif column.ensemble not in self.outcomes:
                members = [c for c in columns if c.ensemble == column.ensemble]
                correct = self._run_ensemble(members)
                names = [member.name for member in members]
                self._record(correct, column.ensemble, _threat_model(column), {"members": names})
                self.outcomes[column.ensemble] = correct

    def record_worst_case(self, threat_model):
        """Adds the per-image worst case over clean images and everything that was run in it."""
        self._attack(Column(CLEAN, None))
        correct = worst_case(self.outcomes.values())
        names = sorted(self.outcomes)
        attacked = threat_model if names != [CLEAN] else None
        rounded = any(ROUNDED in name for name in names)
        title = WORST_CASE_ROUNDED if rounded else WORST_CASE
        self._record(correct, title, attacked, {"over": names})

    def of_first(self, count):
        """Returns the evaluation of the first `count` images; without bars, it keeps no images."""
        part = copy.copy(self)
        part.examples = self.examples.take(count)
        part.results, part.outcomes, part._ran = [], {}, {}
        # A SavedModel may take batches of one size only.
        fixed = getattr(self.network, "batch_size", None)
        part.batch_size = fixed or min(self.batch_size, len(part.examples))
        part._examples_hash = examples_hash(part.examples)
        part._save_adversarial = False
        part._quiet = True
        return part

    def correct(self, preset, standing=None):
        """Returns bool [n], the `standing` images that withstand the preset; makes no record."""
        return self._attack(Column(preset.name, preset), standing)

    def stored(self, preset):
        """Returns bool [n] under the preset if all of it was measured, now or before, else None."""
        column = Column(preset.name, preset)
        ran = self._ran.get(preset.name)
        if ran and self._identity(ran) == self._identity(column):
            return self.outcomes[preset.name]
        everything = np.ones(len(self.examples), bool)
        store = OutcomeStore(self.folder / "evaluation", self._stored_as(column, everything))
        try:
            return self._correct(column, outcomes=store, attack_batch=_not_stored, progress=False)
        except LookupError:
            return None

    def _run_ensemble(self, members):
        """One after the other, each on what is still correct (AutoAttack, Croce and Hein 2020)."""
        correct, after = self._attack(Column(CLEAN, None)), [CLEAN]
        for member in members:
            correct = self._attack(member, correct)
            self._record(correct, member.name, _threat_model(member), self._settings(member), after)
            after = [*after, member.name]
        return correct

    def _attack(self, column, standing=None):
        if standing is None and column.name in self.outcomes:
            return self.outcomes[column.name]
        adversarial = self._adversarial(column)
        if adversarial is not None and adversarial.complete:
            self._say(f"{column.name}: images of {adversarial.path}; --fresh makes them again")
            correct = self._reattack(adversarial)
        else:
            correct = self._attack_anew(column, standing, adversarial)
        if standing is None:
            self.outcomes[column.name], self._ran[column.name] = correct, column
        return correct

    def _attack_anew(self, column, standing, adversarial):
        """Attacks, but for the batches that are stored."""
        attacked = np.ones(len(self.examples), bool) if standing is None else standing
        identity = self._stored_as(column, attacked)
        if adversarial is not None:
            identity["images"] = adversarial.path.name
        # Outcomes without their images would leave holes in the file.
        lost = adversarial is not None and not adversarial.begun
        store = OutcomeStore(self.folder / "evaluation", identity, fresh=self._fresh or lost)
        substitute = self._substitutes.get(column.substitute)
        attack_batch = compile_attack(
            self.network,
            column.preset,
            source=substitute and substitute.network,
            jit_compile=self._xla,
        )
        correct = self._correct(
            column,
            attack_batch=attack_batch,
            standing=standing,
            outcomes=store,
            adversarial=adversarial,
            progress=not self._quiet,
        )
        if adversarial is not None:
            adversarial.save(attacked)
        if not store.added:
            mean = 100 * correct.mean()
            self._say(f"{column.name}: stored ({mean:.2f} %); --fresh measures again")
        return correct

    def _correct(self, column, **options):
        settings = {"batch_size": self.batch_size, "seed": self.about["seed"], **options}
        return correct_predictions(self.network, self.examples, column.preset, **settings)

    def _reattack(self, adversarial):
        """Shows the network images that were made before."""
        images = Examples(adversarial.images, self.examples.labels)
        settings = {"batch_size": self.batch_size, "standing": adversarial.attacked}
        return correct_predictions(self.network, images, **settings)

    def _adversarial(self, column):
        """The `AdversarialImages` of a column; None if they are not wanted or it is clean."""
        if column.preset is None or not self._save_adversarial:
            return None
        name = "-".join(filter(None, [column.ensemble, column.name.replace(" ", "-")]))
        shape = (len(self.examples), *self.examples.image_shape)
        path = self.folder / "adversarial" / f"{name}.npz"
        return AdversarialImages(path, self._identity(column), shape, fresh=self._fresh)

    def _stored_as(self, column, attacked):
        """The identity of the outcomes on the images `attacked`, bool [n]."""
        return {**self._identity(column), "attacked": digest(attacked.tolist())}

    def _identity(self, column):
        return {
            **self.about,
            "attack": column.name,
            "settings": self._settings(column),
            "threat_model": column.preset and vars(_threat_model(column)),
            "batch_size": self.batch_size,
            "examples": self._examples_hash,
        }

    def _settings(self, column):
        settings = attack_settings(column.preset, self.network.output["logits"].shape[-1])
        if column.substitute is not None:
            settings["substitute"] = self._substitutes[column.substitute].weights_hash
        return settings

    def _record(self, correct, name, threat_model, settings, after=()):
        result = accuracy_result(
            correct, name, self.about, settings=settings, threat_model=threat_model, after=after
        )
        append_results(self.folder / "results.jsonl", [result])
        self.results.append(result)

    def _say(self, line):
        if not self._quiet:
            print(line)


def _not_stored(*batch):
    raise LookupError


def _threat_model(column):
    return column.preset and column.preset.attack.threat_model


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
    return ClassifierEvaluation(run.network(precision), examples, about, run.folder.path, **options)
