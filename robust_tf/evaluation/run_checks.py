"""Measures what the sanity checks of a classifier need."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.logit_gradient import logit_gradient
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.attacks.pgd import PGD
from robust_tf.attacks.presets import Preset
from robust_tf.attacks.square import Square
from robust_tf.evaluation import sanity_checks as checks
from robust_tf.evaluation.accuracy_result import worst_case
from robust_tf.evaluation.embedding_attack import EmbeddingAttack
from robust_tf.evaluation.robust_accuracy import correct_predictions, filled_batch
from robust_tf.losses.cross_entropy import cross_entropy

# The eps of the budget check, as factors of that of the claim.
BUDGETS = (0.0, 0.5, 1.0, 2.0, 4.0)
RESTARTS = 20


class CheckRun:
    """Attacks a network in the ways that show whether a robustness claim can be believed.

    Args:
        network: classifier with the output "logits", and "embedding" for the adaptive attack.
        examples: `Examples` of the subset to measure on.
        attack: the PGD that the claim rests on.
        queries: of Square, the attack without gradients.
        undefended: a network of the same task without defense, or None.
        batch_size: images per attacked batch.
        seed: int, of the random starts.
    """

    def __init__(self, network, examples, attack, *, queries, undefended, batch_size, seed):
        self.network = network
        self.examples = examples
        self.attack = _variant(attack)  # of 20 restarts the first, the others are a check
        self.queries = queries
        self.undefended = undefended
        self.batch_size = min(batch_size, len(examples))
        self.seed = seed
        # Outputs and iterates are looked at on one batch.
        self._images, self._labels = filled_batch(
            examples, np.arange(self.batch_size), self.batch_size, network
        )

    def run(self):
        """Returns the list of `Check`."""
        pgd = self._accuracy(self.attack)
        fgsm = self._accuracy(PGD(self._threat, 1, self._threat.eps))
        often = self._accuracy(_variant(self.attack, random_start=True, restarts=RESTARTS))
        doubled = self._accuracy(_variant(self.attack, steps=2 * self.attack.steps))
        ratio = self._accuracy(APGD(self._threat, "dlr", steps=2 * self.attack.steps))
        white = {"pgd": pgd, "fgsm": fgsm, "often": often, "doubled": doubled, "ratio": ratio}
        together = worst_case(white.values())
        square = self._accuracy(Square(self._threat, queries=self.queries), standing=together)
        # One function called twice: traced anew under a fixed seed it would repeat its draws.
        forward = tf.function(self._logits_fn)
        outputs = [forward(self._images).numpy() for _ in range(2)]
        return [
            checks.single_step(fgsm, pgd),
            checks.black_box(together, square),
            checks.budget({factor: self._scaled(factor) for factor in BUDGETS}),
            checks.unbounded(self._accuracy(self._unbounded()), outputs[0].shape[1]),
            checks.converged(pgd, doubled),
            checks.restarts(pgd, often & pgd),
            checks.losses(pgd, ratio),
            checks.gradients(self._gradient_norms()),
            checks.logits(outputs[0]),
            checks.deterministic(*outputs),
            *self._trajectory_checks(),
            checks.undefended_falls(self._undefended()),
            *self._adaptive_check(together),
            checks.per_example(together & square, [*white.values(), square]),
        ]

    @property
    def _threat(self):
        return self.attack.threat_model

    def _accuracy(self, attack, network=None, standing=None):
        network = network or self.network
        factory = CrossEntropy if isinstance(attack, PGD) else None
        settings = {"batch_size": self.batch_size, "seed": self.seed, "standing": standing}
        preset = Preset(f"check, {type(attack).__name__}", attack, factory)
        return correct_predictions(network, self.examples, preset, progress=False, **settings)

    def _scaled(self, factor):
        threat_model = dataclasses.replace(self._threat, eps=factor * self._threat.eps)
        size = factor * self.attack.step_size
        return self._accuracy(_variant(self.attack, threat_model=threat_model, step_size=size))

    def _unbounded(self):
        """A ball of one half in every pixel reaches the grey image from every image."""
        pixels = math.prod(self._images.shape[1:])
        eps = 0.5 if self._threat.norm == "linf" else 0.5 * math.sqrt(pixels)
        threat_model = dataclasses.replace(self._threat, eps=eps)
        size = self.attack.step_size * eps / max(self._threat.eps, 1e-12)
        return _variant(self.attack, threat_model=threat_model, step_size=size)

    def _undefended(self):
        return self.undefended and self._accuracy(self.attack, self.undefended)

    def _logits_fn(self, images):
        return self.network(images, training=False)["logits"]

    def _gradient_norms(self):
        @tf.function
        def gradient_of(images, labels):
            def values_of(logits):
                return cross_entropy(logits, labels)

            return logit_gradient(self._logits_fn, images, values_of)[2]

        norms = []
        for start in range(0, len(self.examples), self.batch_size):
            rows = np.arange(start, min(start + self.batch_size, len(self.examples)))
            batch = filled_batch(self.examples, rows, self.batch_size, self.network)
            gradient = gradient_of(*batch).numpy()[: len(rows)]
            norms.append(np.linalg.norm(gradient.reshape(len(rows), -1), axis=1))
        return np.concatenate(norms)

    def _trajectory_checks(self):
        """Of the iterates of the attack on one batch: the best, and where the last one is."""

        @tf.function
        def step(x_adv):
            logits, _, direction = logit_gradient(
                self._logits_fn, x_adv, lambda logits: cross_entropy(logits, self._labels)
            )
            stepped = self._threat.step(x_adv, direction, self.attack.step_size)
            return correct(logits, self._labels), self._threat.project(stepped, self._images)

        x_adv, right = self._images, []
        if self.attack.random_start:
            key = randomness.key(self.seed, 0, "checks, trajectory")
            x_adv = self._threat.random_start(x_adv, key)
        for _ in range(self.attack.steps):
            found, following = step(x_adv)
            right.append(found.numpy())
            x_adv = following
        right.append(correct(self._logits_fn(x_adv), self._labels).numpy())
        distances = self._threat.distance(x_adv, self._images).numpy()
        pixels = x_adv.numpy()
        # The start is not a result of the attack.
        yield checks.last_iterate(np.array(right)[1:])
        yield checks.legal(distances, pixels.min(), pixels.max(), self._threat)

    def _adaptive_check(self, white):
        if "embedding" not in self.network.output:
            return

        def embedding_fn(images):
            return self.network(images, training=False)["embedding"]

        attack = EmbeddingAttack(_variant(self.attack, random_start=True), embedding_fn)
        yield checks.adaptive(white, self._accuracy(attack, standing=white))


def _variant(attack, **changes):
    """The same PGD but for these settings."""
    settings = {
        "threat_model": attack.threat_model,
        "steps": attack.steps,
        "step_size": attack.step_size,
        "random_start": attack.random_start,
        "momentum": attack.momentum,
        **changes,
    }
    return PGD(settings.pop("threat_model"), settings.pop("steps"), **settings)
