"""Where the results of an attack on a classifier are kept, and what they depend on."""

import dataclasses
import pathlib

from robust_tf.data.examples import Examples
from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.results.attack_settings import attack_settings
from robust_tf.results.cache import ResultsCache, digest


@dataclasses.dataclass(frozen=True, eq=False)
class StoredAttacks:
    """The results caches and the adversarial images of an evaluation, by `Column`.

    Args:
        examples: `Examples`.
        num_classes: Number of classes, by which some attacks choose their loss.
        about: dict for JSON of what the outputs depend on beside the attack.
        substitutes: dict name -> `Substitute`.
        folder: pathlib.Path that gets `evaluation/` and `adversarial/`; None: nothing is stored.
        fresh: Whether to forget stored results.
        save_adversarial: Whether to keep the images, and to use kept ones.
    """

    examples: Examples
    num_classes: int
    about: dict
    substitutes: dict
    folder: pathlib.Path | None = None
    fresh: bool = False
    save_adversarial: bool = False
    _caches: dict = dataclasses.field(default_factory=dict)

    def settings(self, column):
        """Returns the `attack_settings` for the records of a column."""
        settings = attack_settings(column.preset, self.num_classes)
        if column.substitute is not None:
            settings["substitute"] = self.substitutes[column.substitute].weights_hash
        return settings

    def identity(self, column):
        """Returns the dict of everything that the outputs of a column depend on."""
        return {
            **self.about,
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
        shape = (len(self.examples), *self.examples.image_shape)
        path = self.folder / "adversarial" / f"{name}.npz"
        return AdversarialImages(path, self.identity(column), shape, fresh=self.fresh)

    def cache(self, column, adversarial=None):
        """Returns the `ResultsCache` of a column, within its unfinished `AdversarialImages`."""
        identity, fresh = self.identity(column), self.fresh
        if adversarial is not None:
            identity["images"] = adversarial.path.name
            # Outcomes without their images would leave holes in the file.
            fresh = fresh or not adversarial.begun
        elif column.margins:  # older results have none
            identity["margins"] = True
        place, folder = digest(identity), self.folder and self.folder / "evaluation"
        if place not in self._caches:
            count = len(self.examples)
            self._caches[place] = ResultsCache(count, folder, identity, fresh=fresh)
        if adversarial is None:
            return self._caches[place]
        adversarial.cache = self._caches[place]
        return adversarial
