"""Checks that a robustness claim must pass: from measurements to a verdict, nothing is run here.

Sources: Carlini et al. 2019, On evaluating adversarial robustness; Athalye et al. 2018, Obfuscated
gradients; Croce and Hein 2020 (AutoAttack's flags); Pintor et al. 2022, Indicators of attack
failure; Tramer et al. 2020, On adaptive attacks. Accuracies are bool [n], one entry per image: a
limit in points is never tighter than one image of n.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from robust_tf.evaluation.doubts import SAME_OUTPUTS

GREEN, AMBER, RED = "green", "amber", "red"
NOT_RUN = "not run"  # the figure of a check that nothing was measured for
SIGNIFICANT = 0.05
# On fewer images no check is green: one image is a point or more.
FEWEST = 100


class Check(NamedTuple):
    """A verdict: `status` green, amber or red, the figure it rests on, and what to do."""

    name: str
    status: str
    figure: str
    advice: str

    def __str__(self):
        advice = "" if self.status == GREEN else f" -> {self.advice}"
        return f"{self.status:<5}  {self.name}: {self.figure}{advice}"


def single_step(fgsm, pgd):
    """The iterated attack must not be weaker than the single step (Athalye et al. 2018)."""
    excess = pgd.mean() - fgsm.mean()
    figure = f"FGSM {_percent(fgsm)}, iterated {_percent(pgd)}"
    advice = "the iterated attack is too weak or gradients are masked: more steps, larger steps"
    return _graded("iterated attack beats one step", excess, 0.002, len(pgd), figure, advice)


def black_box(white, black):
    """Hardly any image may fall to attacks without gradients alone (AutoAttack's flag)."""
    share = np.mean(white & ~black)
    figure = f"{100 * share:.2f} % of the images fall only without gradients"
    advice = "gradients are masked: report the black-box result, attack through the masking (BPDA)"
    return _graded("white box beats black box", share, 0.005, len(white), figure, advice)


def budget(by_eps):
    """More eps, fewer correct images; `by_eps` is dict factor of eps -> bool [n], ascending."""
    values = [correct.mean() for correct in by_eps.values()]
    n = len(next(iter(by_eps.values())))
    rise = max(np.diff(values))
    figure = ", ".join(f"{factor:g} eps {_percent(c)}" for factor, c in by_eps.items())
    advice = "a larger ball must not help the network: the attack fails there, tune its step size"
    return _graded("more budget, more success", rise, 0.0, n, figure, advice)


def unbounded(correct, num_classes):
    """In a ball that holds a grey image for every image, nothing may be left above chance."""
    excess = correct.mean() - 1 / num_classes
    figure = f"{_percent(correct)} correct, chance is {100 / num_classes:.2f} %"
    advice = "an unbounded attack must succeed: gradients are masked or the attack is broken"
    return _graded("unbounded attack succeeds", excess, 0.01, len(correct), figure, advice)


def converged(pgd, doubled):
    """Twice the steps must change little."""
    change = pgd.mean() - doubled.mean()
    figure = f"{_percent(pgd)}, with twice the steps {_percent(doubled)}"
    return _graded("converged", change, 0.003, len(pgd), figure, "attack with more steps")


def step_rule(fixed, adaptive):
    """Steps of an adaptive size (APGD; Croce and Hein 2020) must take little more than fixed ones.

    Small steps may stand still where gradients are masked; doubled and restarted ones do so too.
    """
    gap = fixed.mean() - adaptive.mean()
    figure = f"steps of one size {_percent(fixed)}, of adaptive size {_percent(adaptive)}"
    advice = "gradients are masked or the steps too small: report apgd-ce or standard"
    return _graded("fixed steps suffice", gap, 0.03, len(fixed), figure, advice)


def restarts(once, often, reported=False):
    """Further random starts must change little.

    `reported` says that the report has the numbers of the further starts already. A large change is
    then no fault of the report: at most amber, so that nobody quotes one start.
    """
    change = once.mean() - often.mean()
    figure = f"one start {_percent(once)}, restarted {_percent(often)}"
    advice = "report the result with restarts"
    if reported:
        advice += ", which is measured and stored, not that of one start"
    check = _graded("restarts", change, 0.01, len(once), figure, advice)
    return check._replace(status=AMBER) if reported and check.status == RED else check


def losses(cross_entropy, ratio):
    """The scale-free difference of logits must not beat the cross entropy by far (AutoAttack).

    Both of the same steps and step rule, on the same images. A gap within its sampling error is
    none: the images that fall to one alone must not fall to it by chance (McNemar's exact test).
    """
    gap = cross_entropy.mean() - ratio.mean()
    alone = int(np.sum(cross_entropy & ~ratio)), int(np.sum(ratio & ~cross_entropy))
    chance = binomtest(alone[0], sum(alone), alternative="greater").pvalue if any(alone) else 1.0
    figure = f"APGD: cross entropy {_percent(cross_entropy)}, logit ratio {_percent(ratio)}; "
    figure += f"{alone[0]} images fall to the ratio alone, {alone[1]} to the cross entropy alone"
    advice = "the scale of the logits masks the cross entropy: report the logit ratio or standard"
    counted = gap if chance < SIGNIFICANT else min(gap, 0.0)
    return _graded("losses agree", counted, 0.03, len(ratio), figure, advice)


def gradients(norms):
    """No image may have an input gradient that is all zero or not finite; float [n] norms."""
    bad = ~np.isfinite(norms) | (norms == 0)
    figure = f"{100 * bad.mean():.2f} % of the images have a zero or non-finite gradient"
    advice = "look for rounding, saturation or huge logits; use apgd-dlr and square"
    return Check("input gradients", RED if bad.any() else GREEN, figure, advice)


def logits(outputs, kind):
    """The outputs must not be probabilities, nor squeezed into [-1, 1].

    Args:
        outputs: float [n, classes], logits or what was made of them.
        kind: str of `free_checks.output_kind`, of the network's own outputs.
    """
    figure = f"outputs from {outputs.min():.3g} to {outputs.max():.3g}"
    figure += "" if kind == "logits" else f", made of {kind} outputs"
    advice = "give the attacks what goes into the last activation, not what comes out"
    status = {"logits": GREEN, "bounded": AMBER}.get(kind, RED)
    return Check("outputs are logits", status, figure, advice)


def deterministic(first, second, other=None):
    """Passes over the same images must agree, all float [n, ...].

    Args:
        first, second: Outputs of the same batches; they must agree bit by bit.
        other: Outputs of other batches, which may differ by rounding. None leaves it out.
    """
    differ = (first != second).any(axis=1).mean()
    figure = f"{100 * differ:.2f} % of the images differ between two passes"
    advice = "average the gradient over passes (EOT) and say so; these numbers are too high"
    if other is not None and not differ:
        limit = SAME_OUTPUTS * max(first.std(), 1e-12)
        differ = (np.abs(first - other) > limit).any(axis=1).mean()
        figure += f", {100 * differ:.2f} % between batches"
        advice = "the outputs depend on the batch: put batch normalisation in inference mode"
    return Check("forward pass is deterministic", RED if differ else GREEN, figure, advice)


def last_iterate(trajectory):
    """No image may have been misclassified on the way and right at the end; bool [steps, n]."""
    lost = trajectory[-1].mean() - trajectory.all(axis=0).mean()
    best = _percent(trajectory.all(axis=0))
    figure = f"last {_percent(trajectory[-1])}, best of all steps {best}"
    advice = "keep the best iterate: smaller steps, or apgd-ce"
    return _graded("last iterate is the best", lost, 0.001, trajectory.shape[1], figure, advice)


def legal(distances, lowest, highest, threat_model):
    """Ball and box must hold as in `contains`; float [n] distances, the extreme pixels."""
    farthest, eps = distances.max(), threat_model.eps
    inside = farthest <= eps + 1e-6 * max(1.0, eps) and lowest >= threat_model.lower - 1e-6
    inside = inside and highest <= threat_model.upper + 1e-6  # all false for NaN
    figure = f"largest distance {farthest:.6g} of {eps:.6g}, "
    figure += f"pixels from {lowest:.4g} to {highest:.4g}"
    advice = "the attack leaves its threat model; its numbers mean nothing"
    return Check("perturbations are legal", GREEN if inside else RED, figure, advice)


def undefended_falls(correct):
    """The same attack must break an undefended network; None where there is none."""
    name = "undefended network falls"
    if correct is None:
        return Check(name, AMBER, NOT_RUN, "name an undefended run: --substitute=RUN")
    figure = f"{_percent(correct)} correct"
    advice = "an attack that fails on an undefended network proves nothing: more steps"
    return _graded(name, correct.mean(), 0.01, len(correct), figure, advice)


def adaptive(logit_attacks, embedding_attack):
    """The attack on the embedding must find little that the attacks on the logits miss."""
    share = np.mean(logit_attacks & ~embedding_attack)
    both = _percent(logit_attacks & embedding_attack)
    figure = f"attacks on the logits {_percent(logit_attacks)}, with that on the embedding {both}"
    advice = "report the minimum over both: the worst case of this call does not contain it"
    n = len(logit_attacks)
    return _graded("adaptive attack on the embedding", share, 0.005, n, figure, advice)


def detector(areas, measure):
    """Whether images can be rejected by a detector that the attacker knows (Carlini et al. 2019).

    Args:
        areas: (area under its ROC curve, that under an attack which knows it, number of images);
            None if they were not measured.
        measure: str, what to do to measure them.
    """
    name = "detector that the attack knows"
    if areas is None:
        return Check(name, AMBER, NOT_RUN, f"before any claim that images are rejected: {measure}")
    unaware, aware, n = areas
    figure = f"AUC {unaware:.3f}, under an attack that knows it {aware:.3f}, of {n} images"
    advice = "claim no rejection: an attack that knows the detector is not noticed"
    return Check(name, GREEN if aware > 0.5 else AMBER, figure, advice)


def per_example(worst, single):
    """Robust accuracy under all attacks together, beside the strongest single attack.

    Args:
        worst: bool [n].
        single: list of bool [n], each of an attack on all images, not on what others left.
    """
    lowest = min(correct.mean() for correct in single)
    figure = f"worst case {100 * worst.mean():.2f} %, strongest single attack {100 * lowest:.2f} %"
    advice = "report the per-example worst case"
    n = len(worst)
    return _graded("one attack is close to all", lowest - worst.mean(), 0.01, n, figure, advice)


def enough_images(checks, n, unit="images"):
    """Returns the list of `checks`, the green ones amber if they rest on too few images, int n.

    Args:
        checks: Iterable of `Check`.
        n: int, images or queries that were measured.
        unit: str, their name.
    """
    if n >= FEWEST:
        return list(checks)
    few = f"too few: {n} {unit} of at least {FEWEST}"
    return [
        c._replace(status=AMBER, figure=f"{c.figure}; {few}", advice=f"measure more {unit}")
        if c.status == GREEN
        else c
        for c in checks
    ]


def _graded(name, value, limit, n, figure, advice):
    """Green up to the limit, red above twice the limit; both at least one image of n."""
    limit = max(limit, 1 / n) + 1e-9
    status = GREEN if value <= limit else AMBER if value <= 2 * limit else RED
    return Check(name, status, figure, advice)


def _percent(correct):
    return f"{100 * np.mean(correct):.2f} %"
