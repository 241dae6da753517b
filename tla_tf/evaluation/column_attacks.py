"""Which test images withstand a column of attacks; finished batches are kept on the disk."""

import copy

import numpy as np

from robust_tf.data.examples import Examples
from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.evaluation.robust_accuracy import compile_attack, correct_predictions
from robust_tf.results.attack_settings import attack_settings
from robust_tf.results.cache import OutcomeStore, digest, examples_hash
from robust_tf.results.result import weights_hash


class ColumnAttacks:
    """Attacks the test images of a network, column by column.

    Args:
        network: classifier with the output "logits".
        examples: `Examples` of the test split.
        about: dict of dataset, method, training_seed, precision, seed, as in `Result`.
        folder: pathlib.Path; gets, image by image, `evaluation/`.
        batch_size: images per attacked batch.
        xla: bool, whether the attacks are compiled with XLA.
        substitutes: list of `Substitute`, the networks that columns name to transfer from.
        fresh: whether to attack again what is stored.
        save_adversarial: whether to keep the images, in `adversarial/`, and to take those kept.

    Attributes:
        about: the facts above and split, model, weights_hash.
        outcomes: dict column name -> bool [n], of all columns that attacked every image.
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
        self.batch_size = _fitting(batch_size, network, examples)
        self.outcomes = {}
        self._ran = {}
        self._quiet = False
        self._xla = xla
        self._fresh = fresh
        self._substitutes = {substitute.name: substitute for substitute in substitutes}
        self._save_adversarial = save_adversarial
        self._examples_hash = examples_hash(examples)

    def attack(self, column, standing=None):
        """Returns bool [n], the `standing` images (default: all) that withstand the column."""
        if standing is None and column.name in self.outcomes:
            return self.outcomes[column.name]
        adversarial = self._adversarial(column)
        if adversarial is not None and adversarial.complete:
            self.say(f"{column.name}: images of {adversarial.path}; --fresh makes them again")
            correct = self._reattack(adversarial)
        else:
            correct = self._attack_anew(column, standing, adversarial)
        if standing is None:
            self.outcomes[column.name], self._ran[column.name] = correct, column
        return correct

    def stored(self, column):
        """Returns bool [n] under the column if all of it was measured, now or before, else None."""
        ran = self._ran.get(column.name)
        if ran and self._identity(ran) == self._identity(column):
            return self.outcomes[column.name]
        everything = np.ones(len(self.examples), bool)
        store = OutcomeStore(self.folder / "evaluation", self._stored_as(column, everything))
        try:
            return self._correct(column, outcomes=store, attack_batch=_not_stored, progress=False)
        except LookupError:
            return None

    def of_first(self, count):
        """Returns the attacks on the first `count` images; without bars, it keeps no images."""
        part = copy.copy(self)
        part.examples = self.examples.take(count)
        part.outcomes, part._ran = {}, {}
        part.batch_size = _fitting(self.batch_size, self.network, part.examples)
        part._examples_hash = examples_hash(part.examples)
        part._save_adversarial = False
        part._quiet = True
        return part

    def refuse_others(self, columns):
        """Raises UserError if the kept images of a column are of another network or attack."""
        for column in columns:
            self._adversarial(column)

    def settings(self, column):
        """Returns the `attack_settings` of the records of a column."""
        settings = attack_settings(column.preset, self.network.output["logits"].shape[-1])
        if column.substitute is not None:
            settings["substitute"] = self._substitutes[column.substitute].weights_hash
        return settings

    def say(self, line):
        """Prints the line, unless the attacks are part of others."""
        if not self._quiet:
            print(line)

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
        if not attacked.any():
            self.say(f"{column.name}: no image is left to attack")
        elif not store.added:
            mean = 100 * correct.mean()
            self.say(f"{column.name}: stored ({mean:.2f} %); --fresh measures again")
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
            "settings": self.settings(column),
            "threat_model": column.preset and vars(column.threat_model),
            "batch_size": self.batch_size,
            "examples": self._examples_hash,
        }


def _fitting(batch_size, network, examples):
    """The batch size, but no more than there are images; a SavedModel may take one size only."""
    return getattr(network, "batch_size", None) or min(batch_size, len(examples))


def _not_stored(*batch):
    raise LookupError
