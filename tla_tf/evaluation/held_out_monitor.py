"""Robust accuracy on held-out training images while training: selection and early warnings.

The test images have no part in it, unlike in the authors' code, which selects by 500 of them.
"""

import functools
import warnings

import keras
import numpy as np

from robust_tf.attacks import presets
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.checks.masking_signs import signs_of_batch, step_sizes
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.models.output_of import output_of
from robust_tf.progress_bar import SOON
from robust_tf.runs.monitor import Monitor

# A threshold in points is never tighter than one image of n; these are wider for 50 images or more.
ALARM = 0.10
# On how many images the sign of masking is measured, and from which mean on it is told.
# tools/masking_study.py compares it with other signs.
LOOKED_AT = 256
# Of 24 networks of MNIST those with gaps of at most 9 points have a share of at most 0.016, and
# three of four with gaps above 15 at least 0.043. Of 20 networks of digits with gaps of at most 8
# points one has 0.035 (docs/results/recipes.md).
MASKED = 0.03


def catastrophic_overfitting(fgsm, pgd):
    """Whether the last FGSM accuracy is up while PGD's fell by 10 points since its best.

    The network has learnt to mislead the single step (check S21; Wong et al. 2020).

    Args:
        fgsm, pgd: lists of accuracies in [0, 1], one per check, in order.
    """
    return len(pgd) > 1 and fgsm[-1] > fgsm[-2] and pgd[-1] < max(pgd) - ALARM


def robust_overfitting(pgd):
    """Whether PGD accuracy has fallen by 10 points since its best (check S22; Rice et al. 2020)."""
    return bool(pgd) and pgd[-1] < max(pgd) - ALARM


class HeldOutMonitor(Monitor):
    """Attacks held-out images after every checkpoint interval; keeps the network that did best.

    Adds "held_out_fgsm", "held_out_pgd10" and "held_out_masking" to the logs of the interval and
    warns, once each.

    Args:
        examples: `Examples` that are not trained on.
        threat_model: `ThreatModel`.
        folder: `RunFolder`; the best network goes to its `best.keras`.
        seed: Seed of the attack's random start.
        batch_size: images per attacked batch.
        likely_masking: what in the settings most often masks gradients, in words.
    """

    def __init__(self, examples, threat_model, folder, *, seed, batch_size, likely_masking):
        super().__init__()
        self.examples = examples
        self.threat_model = threat_model
        self.likely_masking = likely_masking
        self.attacks = {name: presets.get(name, threat_model) for name in ("fgsm", "pgd10")}
        self.folder = folder
        self.settings = {"batch_size": batch_size, "seed": seed, "delay": SOON}
        self._warned = set()

    @functools.cached_property
    def _compiled(self):
        logits_fn, labels = output_of(self.model.network, "logits"), self.examples.labels
        return {
            name: CompiledBatch(classify_attacked(logits_fn, labels, preset))
            for name, preset in self.attacks.items()
        }

    @functools.cached_property
    def _masking(self):
        logits_fn, labels = output_of(self.model.network, "logits"), self.examples.labels
        signs = {"masked": step_sizes}
        return CompiledBatch(signs_of_batch(logits_fn, labels, self.threat_model, signs))

    @functools.cached_property
    def _seen(self):
        """Attack -> list of its accuracies, one per check; the folder has the first ones."""
        before = self.folder.read_metrics()
        return {name: [line[f"held_out_{name}"] for line in before] for name in self.attacks}

    def on_interval_end(self, logs):
        for name, compiled in self._compiled.items():
            (run,) = attack_loop(compiled, self.examples, title=name, **self.settings)
            logs[f"held_out_{name}"] = float(run["correct"].mean())
        self._look_for_masking(logs)
        for name, accuracies in self._seen.items():
            accuracies.append(logs[f"held_out_{name}"])
        fgsm, pgd = self._seen.values()
        if pgd[-1] >= max(pgd):
            self.folder.save_network(self.model.network, self.folder.best_weights)
        if catastrophic_overfitting(fgsm, pgd):
            kind = "catastrophic overfitting: FGSM accuracy rises while PGD's falls"
            self._warn_of_overfitting(kind, pgd)
        elif robust_overfitting(pgd):
            self._warn_of_overfitting("robust overfitting", pgd)

    def _look_for_masking(self, logs):
        rows = np.arange(min(LOOKED_AT, len(self.examples)))
        (run,) = attack_loop(self._masking, self.examples, rows, title="masking", **self.settings)
        logs["held_out_masking"] = share = float(run["masked"].mean())
        if share > MASKED:
            step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
            self._warn(
                "masked gradients",
                f"at step {step} {100 * share:.1f} % of {len(rows)} held-out images resist PGD "
                f"with steps of eps / 4 and fall to other step sizes; likely cause: "
                f"{self.likely_masking}; evaluate with --attacks=standard",
            )

    def _warn_of_overfitting(self, kind, pgd):
        self._warn(
            kind,
            f"held-out PGD-10 accuracy is {100 * pgd[-1]:.1f} %, its best was "
            f"{100 * max(pgd):.1f} %; --select=best keeps the best network",
        )

    def _warn(self, what, details):
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"{what}: {details}", stacklevel=2)
