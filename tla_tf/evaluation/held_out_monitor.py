"""Robust accuracy on held-out training images while training: selection and early warnings.

The test images have no part in it, unlike in the authors' code, which selects by 500 of them.
"""

import warnings

from robust_tf.attacks import presets
from robust_tf.evaluation.attack_loop import attack_loop, compile_batch
from robust_tf.evaluation.attacked_batch import classify_attacked
from robust_tf.runs.monitor import Monitor
from tla_tf.evaluation.run_evaluation import logits_of

# A threshold in points is never tighter than one image of n; these are wider for 50 images or more.
ALARM = 0.10


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

    Adds "held_out_fgsm" and "held_out_pgd10" to the logs of the interval and warns, once each.

    Args:
        examples: `Examples` that are not trained on.
        threat_model: `ThreatModel`.
        folder: `RunFolder`; the best network goes to its `best.keras`.
        seed: Seed of the attack's random start.
        batch_size: images per attacked batch.
    """

    def __init__(self, examples, threat_model, folder, *, seed, batch_size):
        super().__init__()
        self.examples = examples
        self.attacks = {name: presets.get(name, threat_model) for name in ("fgsm", "pgd10")}
        self.folder = folder
        self.settings = {"batch_size": batch_size, "seed": seed}
        self._compiled = {}
        self._warned = set()

    def on_interval_end(self, logs):
        network = self.model.network
        for name, preset in self.attacks.items():
            if name not in self._compiled:
                attack_batch = classify_attacked(logits_of(network), self.examples.labels, preset)
                self._compiled[name] = compile_batch(attack_batch)
            compiled, options = self._compiled[name], {"progress": False, **self.settings}
            (run,) = attack_loop(compiled, self.examples, title=name, **options)
            logs[f"held_out_{name}"] = float(run["correct"].mean())
        seen = [*self.folder.read_metrics(), logs]
        fgsm, pgd = ([line[f"held_out_{name}"] for line in seen] for name in self.attacks)
        if pgd[-1] >= max(pgd):
            self.folder.save_network(network, self.folder.best_weights)
        if catastrophic_overfitting(fgsm, pgd):
            self._warn("catastrophic overfitting: FGSM accuracy rises while PGD's falls", pgd)
        elif robust_overfitting(pgd):
            self._warn("robust overfitting", pgd)

    def _warn(self, what, pgd):
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(
                f"{what}: held-out PGD-10 accuracy is {100 * pgd[-1]:.1f} %, its best was "
                f"{100 * max(pgd):.1f} %; --select=best keeps the best network",
                stacklevel=2,
            )
