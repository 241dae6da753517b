"""Measures what the sanity checks of a classifier need."""

import dataclasses
import math

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.square import Square
from robust_tf.checks import sanity_checks as checks
from robust_tf.checks.network_probe import NetworkProbe
from robust_tf.evaluation.embedding_attack import EmbeddingAttack
from robust_tf.results.result import worst_case

# The eps of the budget check, as factors of that of the claim.
BUDGETS = (0.0, 0.5, 1.0, 2.0, 4.0)
RESTARTS = 20


class CheckRun:
    """Attacks a network in the ways that show whether a robustness claim can be believed.

    Args:
        network: classifier with the output "logits", and "embedding" for the adaptive attack.
        examples: `Examples` of the subset to measure on; every check looks at all of them.
        claim: `Preset` of the PGD that the claim rests on; of its restarts the first is taken.
        measure: function (preset, standing=None) -> bool [n], as `correct_predictions` of these.
        stored: function preset -> bool [n] that was measured before, None if it was not.
        queries: of Square, the attack without gradients.
        undefended: function preset -> bool [n], of a network of the same task without defense;
            None if there is none.
        batch_size: images shown together.
        seed: int, of the random start of the trajectory, that of `measure`.
    """

    def __init__(
        self,
        network,
        examples,
        claim,
        measure,
        *,
        stored=lambda preset: None,
        queries,
        undefended,
        batch_size,
        seed,
    ):
        self.network = network
        self.image_shape = examples.image_shape
        self.claim = claim
        # Of 20 restarts the first; the others are a check.
        self.attack = dataclasses.replace(claim.attack, restarts=1)
        self.queries = queries
        self.undefended = undefended
        self.seed = seed
        self._measure = measure
        self._stored = stored
        self._probe = NetworkProbe(network, examples, batch_size)

    def run(self):
        """Returns the list of `Check`."""
        steps = self.attack.steps
        restarted = self._pgd(random_start=True, restarts=RESTARTS)
        reported = self._stored(restarted) is not None
        pgd = self._accuracy(self._pgd())
        fgsm = self._accuracy(self._preset("fgsm", self._single_step()))
        often = self._accuracy(restarted)
        doubled = self._accuracy(self._pgd(steps=2 * steps))
        cross_entropy, ratio = (
            self._accuracy(self._preset(f"apgd-{loss}", APGD(self._threat, loss, steps=2 * steps)))
            for loss in ("ce", "dlr")
        )
        white = [pgd, fgsm, often, doubled, cross_entropy, ratio]
        together = worst_case(white)
        square = self._preset("square", Square(self._threat, queries=self.queries))
        square = self._accuracy(square, together)
        outputs = self._probe.outputs()
        return [
            checks.single_step(fgsm, pgd),
            checks.black_box(together, square),
            checks.budget({factor: self._accuracy(self._scaled(factor)) for factor in BUDGETS}),
            checks.unbounded(self._accuracy(self._unbounded()), outputs[0].shape[1]),
            checks.converged(pgd, doubled),
            checks.step_rule(pgd & doubled, cross_entropy),
            checks.restarts(pgd, often & pgd, reported),
            checks.losses(cross_entropy, ratio),
            checks.gradients(self._probe.gradient_norms()),
            checks.logits(outputs[0]),
            checks.deterministic(*outputs),
            *self._trajectory_checks(),
            checks.undefended_falls(self.undefended and self.undefended(self._pgd())),
            *self._adaptive_check(together),
            checks.per_example(together & square, white),
        ]

    @property
    def _threat(self):
        return self.attack.threat_model

    def _accuracy(self, preset, standing=None):
        """Bool [n] under the attack, from what is stored where it is."""
        found = self._stored(preset)
        if found is None:
            return self._measure(preset, standing=standing)
        return found if standing is None else found & standing

    def _pgd(self, title="", **changes):
        """The attack but for these settings, named as --attacks would name it, and `title`."""
        attack = dataclasses.replace(self.attack, **changes)
        often = str(attack.restarts) if attack.restarts > 1 else ""
        family = "pgd" if attack.random_start else "bim"
        return self._preset(f"{often}{family}{attack.steps}{title}", attack)

    def _preset(self, name, attack):
        """The attack in the place of that of the claim, rounded if that is."""
        name += "-rounded" if self.claim.rounded else ""
        return dataclasses.replace(self.claim, name=name, attack=attack)

    def _single_step(self):
        size = self._threat.eps
        return dataclasses.replace(self.attack, steps=1, step_size=size, random_start=False)

    def _scaled(self, factor):
        threat_model = dataclasses.replace(self._threat, eps=factor * self._threat.eps)
        size = factor * self.attack.step_size
        title = "" if factor == 1 else f" at {factor:g} eps"
        return self._pgd(title, threat_model=threat_model, step_size=size)

    def _unbounded(self):
        """A ball of one half in every pixel reaches the grey image from every image."""
        eps = 0.5 if self._threat.norm == "linf" else 0.5 * math.sqrt(math.prod(self.image_shape))
        threat_model = dataclasses.replace(self._threat, eps=eps)
        size = self.attack.step_size * eps / max(self._threat.eps, 1e-12)
        return self._pgd(" unbounded", threat_model=threat_model, step_size=size)

    def _trajectory_checks(self):
        right, distances, lowest, highest = self._probe.trajectory(self.attack, self.seed)
        last = checks.last_iterate(right)
        rounding = ", before rounding" if self.claim.rounded else ""
        yield last._replace(figure=f"{last.figure}{rounding}")
        yield checks.legal(distances, lowest, highest, self._threat)

    def _adaptive_check(self, white):
        if "embedding" not in self.network.output:
            return

        def embedding_fn(images):
            return self.network(images, training=False)["embedding"]

        pgd = dataclasses.replace(self.attack, random_start=True)
        attack = EmbeddingAttack(pgd, embedding_fn)
        yield checks.adaptive(white, self._accuracy(self._preset("embedding", attack), white))
