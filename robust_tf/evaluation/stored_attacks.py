"""Where the results of an attack on a classifier are kept, and what they depend on."""

import copy
import dataclasses

from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.results.attack_settings import attack_settings
from robust_tf.results.cache import ResultsCache, digest, examples_hash


class StoredAttacks:
    """The results caches and the adversarial images of an evaluation, by `Column`.

    Args:
        examples: `Examples`.
        num_classes: Number of classes, by which some attacks choose their loss.
        identity: dict for JSON of what the outputs depend on beside images and attack.
        substitutes: dict name -> `Substitute`.
        folder: pathlib.Path that gets `evaluation/` and `adversarial/`; None: nothing is stored.
        fresh: Whether to forget stored results.
        save_adversarial: Whether to keep the images, and to use kept ones.
    """

    def __init__(
        self,
        examples,
        num_classes,
        identity,
        *,
        substitutes,
        folder=None,
        fresh=False,
        save_adversarial=False,
    ):
        self.save_adversarial = save_adversarial
        self._examples, self._num_classes = examples, num_classes
        self._identity = {**identity, "examples": examples_hash(examples)}
        self._substitutes, self._folder, self._fresh = substitutes, folder, fresh
        self._caches = {}

    def without_images(self):
        """Returns the same store without adversarial images; the caches are shared."""
        other = copy.copy(self)
        other.save_adversarial = False
        return other

    def settings(self, column):
        """Returns the `attack_settings` for the records of a column."""
        settings = attack_settings(column.preset, self._num_classes)
        if column.substitute is not None:
            settings["substitute"] = self._substitutes[column.substitute].weights_hash
        return settings

    def identity(self, column):
        """Returns the dict of everything that the outputs of a column depend on."""
        return {
            **self._identity,
            "attack": column.name,
            "settings": self.settings(column),
            "threat_model": column.threat_model and dataclasses.asdict(column.threat_model),
        }

    def adversarial(self, column):
        """Returns the `AdversarialImages` of a column; None where no images are kept.

        Raises:
            UserError: the images in the folder were made with other settings.
        """
        if column.preset is None or not self.save_adversarial:
            return None
        name = "-".join(filter(None, [column.ensemble, column.name.replace(" ", "-")]))
        shape = (len(self._examples), *self._examples.image_shape)
        path = self._folder / "adversarial" / f"{name}.npz"
        return AdversarialImages(path, self.identity(column), shape, fresh=self._fresh)

    def cache(self, column, adversarial=None):
        """Returns the `ResultsCache` of a column, within its unfinished `AdversarialImages`."""
        identity, fresh = self.identity(column), self._fresh
        if adversarial is not None:
            identity["images"] = adversarial.path.name
            # Outcomes without their images would leave holes in the file.
            fresh = fresh or not adversarial.begun
        place, folder = digest(identity), self._folder and self._folder / "evaluation"
        if place not in self._caches:
            count = len(self._examples)
            self._caches[place] = ResultsCache(count, folder, identity, fresh=fresh)
        if adversarial is None:
            return self._caches[place]
        adversarial.cache = self._caches[place]
        return adversarial
