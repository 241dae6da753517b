"""Measures what the sanity checks of a classifier need."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from robust_tf.attacks.apgd import APGD
from robust_tf.attacks.objectives import CrossEntropy, correct
from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.attacks.square import Square
from robust_tf.checks import sanity_checks as checks
from robust_tf.checks.network_probe import NetworkProbe
from robust_tf.evaluation.attack_column import Column
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.evaluation.embedding_attack import EmbeddingAttack
from robust_tf.progress_bar import ProgressBar
from robust_tf.results.result import worst_case

# The eps of the budget check, as factors of the claimed eps.
BUDGETS = (0.0, 0.5, 1.0, 2.0, 4.0)
RESTARTS = 20


class CheckRun:
    """Attacks a network in the ways that show whether a robustness claim can be believed.

    Args:
        evaluation: `ClassifierEvaluation`.
        count: int, the checks look at so many images, spread over the data set.
        claim: `Preset` of the PGD that the claim rests on; of its restarts the first is taken.
        queries: Number of queries of Square, the attack without gradients.
        embedding_fn: images to embeddings, for the adaptive attack; None leaves it out.
        undefended_fn: images to logits, of a network of the same task without defense; None if
            there is none.
    """

    def __init__(self, evaluation, count, claim, *, queries, embedding_fn=None, undefended_fn=None):
        self.evaluation = evaluation.silent()
        self.rows = spread_rows(np.arange(len(evaluation.examples)), count)
        self.claim = claim
        # Of 20 restarts the first; the others are a check.
        self.attack = dataclasses.replace(claim.attack, restarts=1)
        self.queries = queries
        self.undefended_fn = undefended_fn
        self.embedding_fn = embedding_fn
        self._probe = classifier_probe(self.evaluation, self.rows)
        self._bar = ProgressBar(None, "checks", silent=True)

    def run(self):
        """Returns the list of `Check`; on few images none of them is green."""
        with ProgressBar(None, "checks", unit=" attacks") as self._bar:
            return checks.enough_images(self._checks(), len(self.rows))

    def _checks(self):
        steps = self.attack.steps
        restarted = self._pgd(random_start=True, restarts=RESTARTS)
        reported = self.evaluation.is_stored(Column(restarted.name, restarted))
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
        outputs = three_passes(self._probe)
        wide = unbounded(self.attack, self.evaluation.examples.image_shape)
        return [
            checks.single_step(fgsm, pgd),
            checks.black_box(together, square),
            checks.budget({factor: self._accuracy(self._scaled(factor)) for factor in BUDGETS}),
            checks.unbounded(self._accuracy(self._pgd(" unbounded", **wide)), outputs[0].shape[1]),
            checks.converged(pgd, doubled),
            checks.step_rule(pgd & doubled, cross_entropy),
            checks.restarts(pgd, often & pgd, reported),
            checks.losses(cross_entropy, ratio),
            checks.gradients(self._probe.gradient_norms()),
            checks.logits(outputs[0], self.evaluation.checked.kind),
            checks.deterministic(*outputs),
            *self._trajectory_checks(),
            checks.undefended_falls(self.undefended_fn and self._undefended()),
            *self._adaptive_check(together),
            checks.per_example(together & square, white),
        ]

    @property
    def _threat(self):
        return self.attack.threat_model

    def _accuracy(self, preset, active=None):
        """Bool, one per row: which images, of `active` if given, the attack leaves correct."""
        self._bar.name(preset.name)
        chosen = np.zeros(len(self.evaluation.examples), bool)
        chosen[self.rows] = True if active is None else active
        correct = self.evaluation.correct(Column(preset.name, preset), chosen)
        self._bar.update()
        return correct[self.rows]

    def _undefended(self):
        labels = self.evaluation.examples.labels
        attack_batch = classify_attacked(self.undefended_fn, labels, self._pgd())
        return self._probe.look(attack_batch)["correct"]

    def _pgd(self, title="", **changes):
        """The attack but for these settings, named as --attacks would name it, and `title`."""
        attack = dataclasses.replace(self.attack, **changes)
        often = str(attack.restarts) if attack.restarts > 1 else ""
        family = "pgd" if attack.random_start else "bim"
        return self._preset(f"{often}{family}{attack.steps}{title}", attack)

    def _preset(self, name, attack):
        """The claimed preset with another attack, rounded if the claim is."""
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

    def _trajectory_checks(self):
        right, distances, lowest, highest = self._probe.trajectory(self.attack)
        last = checks.last_iterate(right)
        rounding = ", before rounding" if self.claim.rounded else ""
        yield last._replace(figure=f"{last.figure}{rounding}")
        yield checks.legal(distances, lowest, highest, self._threat)

    def _adaptive_check(self, white):
        if self.embedding_fn is None:
            return

        def embed(images, rows, keys):
            return {"embedding": self.embedding_fn(images)}

        clean = self._probe.look(embed)
        labels = self.evaluation.examples.labels[self.rows]
        pgd = dataclasses.replace(self.attack, random_start=True)
        attack = EmbeddingAttack(pgd, self.embedding_fn, labels, clean["embedding"])
        yield checks.adaptive(white, self._accuracy(self._preset("embedding", attack), white))


def unbounded(pgd, image_shape):
    """Returns the ball and the step size of a `PGD` that reaches the grey image from every image.

    Args:
        pgd: `PGD`; the steps grow with its ball.
        image_shape: (h, w, c).
    """
    ball = pgd.threat_model
    eps = 0.5 if ball.norm == "linf" else 0.5 * math.sqrt(math.prod(image_shape))
    step_size = pgd.step_size * eps / max(ball.eps, 1e-12)
    return {"threat_model": dataclasses.replace(ball, eps=eps), "step_size": step_size}


def classifier_probe(evaluation, rows):
    """Returns the `NetworkProbe` of the images int [n] `rows` of a `ClassifierEvaluation`."""
    logits_fn, labels = evaluation.logits_fn, tf.constant(evaluation.examples.labels, tf.int32)
    return NetworkProbe(
        evaluation.examples,
        rows,
        logits_fn,
        objective=lambda images, rows: CrossEntropy(logits_fn, tf.gather(labels, rows)),
        correct=lambda images, rows: correct(logits_fn(images), tf.gather(labels, rows)),
        **evaluation.loop,
    )


def three_passes(probe):
    """Returns the outputs of two passes over the same batches, and of one over smaller ones."""
    smaller = max(min(probe.loop["batch_size"], len(probe.rows)) // 2, 1)
    other = {} if probe.loop.get("fixed_size") else {"batch_size": smaller}
    return probe.outputs(), probe.outputs(), probe.shuffled_outputs(**other)
