"""An attack that knows the detector of figure 5 (check S20; Carlini et al. 2019, section 3.4)."""

import copy
import dataclasses
from collections.abc import Callable

import tensorflow as tf

from robust_tf.attacks import presets
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.objectives import Margin, correct
from robust_tf.attacks.pgd import LOSSES, PGD
from robust_tf.attacks.select_images import select_images
from robust_tf.randomness import Shard
from tla_tf.analysis.mixture_detection import MixtureScore

# Of the log density per entry of the embedding; 0 stands for the attack without the detector.
WEIGHTS = (0.0, 0.1, 0.3, 1.0)
# How far the label must be behind, in logits, before the density alone counts.
LEAD = 0.5


class UndetectedLoss(Objective):
    """min(-margin, lead) + weight * c(x) / d: misclassified, and likely to the detector.

    With the cross entropy instead of the truncated margin, which asks for no more than a
    misclassification, the detector notices more. Weight 0 gives the attack's own loss.

    Args:
        network: classifier with the outputs "logits" and "embedding".
        score: `MixtureScore`, c of embeddings [batch, d].
        own_loss: (logits_fn, labels) -> `Objective`, the attack's own loss.
        labels: int [batch].
        lead: float, in logits.
    """

    def __init__(self, network, score, own_loss, labels, lead=LEAD):
        def logits_of(outputs):
            return outputs["logits"]

        self._network, self._score, self._labels = network, score, labels
        # Losses of the outputs, not of the images: one pass serves all terms.
        self._own_loss = own_loss(logits_of, labels)
        self._margin = Margin(logits_of, labels, kappa=lead)
        self._weight = tf.constant(0.0)

    def weighted(self, weight):
        """Returns the same objective with this weight, a float scalar."""
        other = copy.copy(self)
        other._weight = weight
        return other

    def __call__(self, x):
        outputs = self._network(x, training=False)
        embedding = outputs["embedding"]
        joint = self._margin(outputs) + self._weight * self._score(embedding) / embedding.shape[-1]
        return tf.where(self._weight > 0, joint, self._own_loss(outputs))

    def outcome(self, x):
        """Returns (misclassified, bool [batch]; c, float [batch])."""
        outputs = self._network(x, training=False)
        return ~correct(outputs["logits"], self._labels), self._score(outputs["embedding"])


@dataclasses.dataclass(frozen=True)
class DetectorAttack(PGD):
    """PGD once per weight of the density; an image keeps the densest that is misclassified.

    Args:
        weights: tuple of float.
        hide_correct: Whether an image that is never misclassified keeps its densest run too;
            False: it keeps its first run.
        objective_of: labels int [batch] -> `UndetectedLoss`.
    """

    _: dataclasses.KW_ONLY
    weights: tuple[float, ...] = WEIGHTS
    hide_correct: bool = False
    objective_of: Callable | None = dataclasses.field(default=None, repr=False)

    def perturb(self, logits_fn, x, y, key=None, shard=Shard()):
        return self.ascend(self.objective_of(y), x, key=key, shard=shard)

    def ascend(self, objective, x, **draw):
        """Attacks `x` as `PGD.ascend` does; `objective` is an `UndetectedLoss`."""
        once = super().ascend
        x = tf.convert_to_tensor(x)

        def attempt(number, best, hidden, density):
            weight = tf.gather(tf.constant(self.weights), number)
            images = once(objective.weighted(weight), x, **draw)
            fooled, found = objective.outcome(images)
            denser = (fooled == hidden) & (found > density) & (fooled | self.hide_correct)
            better = (number == 0) | (fooled & ~hidden) | denser
            best = select_images(better, images, best)
            return number + 1, best, hidden | fooled, tf.where(better, found, density)

        nothing = tf.zeros(x.shape[:1], x.dtype)
        _, best, *_ = tf.while_loop(
            lambda number, *_: number < len(self.weights),
            attempt,
            (tf.constant(0), x, tf.zeros_like(nothing, tf.bool), nothing),
            parallel_iterations=1,
        )
        return tf.stop_gradient(best)


def detector_preset(preset, network, detector, *, hide_correct=False):
    """Returns the `Preset` with the ball and the steps of `preset` that knows the detector too.

    Args:
        preset: `Preset`; pgd20 stands in for one that is no PGD.
        network: classifier with the outputs "logits" and "embedding".
        detector: `MixtureDetector` of its embeddings.
        hide_correct: see `DetectorAttack`.
    """
    if not isinstance(preset.attack, PGD):
        preset = presets.get("pgd20", preset.attack.threat_model)
    pgd, score = preset.attack, MixtureScore(detector)
    settings = {field.name: getattr(pgd, field.name) for field in dataclasses.fields(pgd)}
    attack = DetectorAttack(
        **{**settings, "restarts": 1},
        hide_correct=hide_correct,
        objective_of=lambda labels: UndetectedLoss(network, score, LOSSES[pgd.loss], labels),
    )
    return dataclasses.replace(preset, name=f"{preset.name} knowing the detector", attack=attack)
