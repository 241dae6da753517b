"""A finished run as the analyses of TLA see it: embeddings, predictions, a place for records."""

import collections
import functools

import numpy as np

from robust_tf.attacks import presets
from robust_tf.errors import RunError, UserError
from robust_tf.evaluation.free_checks import check_examples
from robust_tf.evaluation.reference_images import reference_settings
from robust_tf.models.output_of import output_of
from robust_tf.results.attack_settings import attack_settings
from robust_tf.results.result import (
    append_results,
    as_warnings,
    measured_share,
    measured_value,
    shared_fields,
)
from tla_tf.analysis.embeddings_under_attack import correct_after_steps, embeddings_under_attack
from tla_tf.runs.finished_run import ball


class CannotBeShown(RunError):
    """An output has nothing to show for these images under this attack."""


class AnalyzedRun:
    """Embeds the clean and the attacked test images; the training images when they are asked for.

    Attributes:
        name: Name shown in panels.
        network: the trained classifier.
        info, test, train: `DatasetInfo` and `Examples`; `train` is None where no output needs it.
        preset: `Preset`, the attack.
        natural, adversarial: embeddings of clean and attacked test images, float32 [n, d].
        predictions, adversarial_predictions: predicted classes, int64 [n].
        doubts: list of `Doubt` of the free checks, which every record has.
        results: list of `Result`, what was recorded here and not kept yet; `records` is the file
            that `keep` appends them to.

    Args:
        run: `FinishedRun`.
        name, test, train, preset: see above.
        batch_size: images embedded or attacked together.
        seed: Seed of all random draws.
    """

    def __init__(self, run, name, test, train, preset, *, batch_size, seed):
        self.name, self.info = name, run.info
        self.test, self.train, self.preset, self.seed = test, train, preset, seed
        self.method = run.flags["method"]
        self.results = []
        self.network = run.network()
        self._settings = {"batch_size": batch_size, "seed": seed}
        self.records = run.folder.results
        self.doubts = check_examples(output_of(self.network, "logits"), test, batch_size).doubts
        warnings = as_warnings(self.doubts)
        self._about = shared_fields(self.network, seed=seed, warnings=warnings, **run.facts)
        self.natural, self.predictions = self._embed(test, None)
        self.adversarial, self.adversarial_predictions = self._embed(test, preset)

    @functools.cached_property
    def train_embeddings(self):
        """Embeddings of the clean training images, not augmented, float32 [n, d]."""
        return self._embed(self.train, None)[0]

    @property
    def fooled(self):
        """bool [n]: which attacked test images are misclassified."""
        return self.adversarial_predictions != self.test.labels

    def confusions(self):
        """Counter of (true, predicted) classes of images classified right that the attack turns."""
        turned = self.fooled & (self.predictions == self.test.labels)
        pairs = self.test.labels[turned], self.adversarial_predictions[turned]
        return collections.Counter(zip(*map(np.ndarray.tolist, pairs)))

    def attack(self, preset):
        """Returns (embeddings float32 [n, d], predictions int64 [n]) under another `Preset`."""
        return self._embed(self.test, preset)

    def correct_after_steps(self):
        """Returns bool [n, steps + 1]: which images are right at the start and after each step."""
        return correct_after_steps(self.network, self.test, self.preset, **self._settings)

    def attacked_image(self, index):
        """Returns the attacked test image `index`, float32 [h, w, c]."""
        settings = {"keep": ("image",), "progress": False, **self._settings}
        found = embeddings_under_attack(self.network, self.test, self.preset, [index], **settings)
        return found["image"][0]

    def record(self, metric, value, n, *, preset=None, of_train=False):
        """Records one number, measured on `n` images; tables print an int as a whole number.

        `preset` is the attack where it is not the run's own; `of_train`: whether the number
        depends on the training images.
        """
        attack = self._attack(preset or self.preset, of_train)
        self.results.append(measured_value(self._about, metric, value, n, **attack))

    def record_share(
        self, metric, counted, *, attacked=True, of_train=False, preset=None, settings=None
    ):
        """Records the share of bool [n] `counted` with its interval.

        `preset`, `of_train`: see `record`; `settings`: dict of further settings of the attack.
        """
        attack = self._attack((preset or self.preset) if attacked else None, of_train)
        attack["settings"] |= settings or {}
        self.results.append(measured_share(self._about, metric, counted, **attack))

    def _attack(self, preset, of_train=False):
        """The attack as the arguments of `measured_value`; `preset` None is no attack."""
        settings = attack_settings(preset, self.info.num_classes)
        if of_train:
            settings |= reference_settings(len(self.train), self.info.splits["train"])
        if preset is None:
            return {"settings": settings}
        threat_model = preset.attack.threat_model
        return {"attack": preset.name, "settings": settings, "threat_model": threat_model}

    def keep(self):
        """Appends what was recorded to the run's results.jsonl; returns it."""
        append_results(self.records, self.results)
        kept, self.results = self.results, []
        return kept

    def _embed(self, examples, preset):
        found = embeddings_under_attack(self.network, examples, preset, **self._settings)
        return found["embedding"], found["prediction"]


def describe(runs, n=None):
    """Returns what was measured on `runs`, for a title: data, networks, attack, count of images.

    Args:
        runs: list of `AnalyzedRun`.
        n: Number of images, natural and attacked ones; None: the test images.
    """
    first = runs[0]
    networks = ", ".join(dict.fromkeys(run.network.name for run in runs))
    attack = f"{first.preset.name}, {first.preset.attack.threat_model}"
    return f"{first.info.name}, {networks}, {attack}, n={n or len(first.test)}"


def common_preset(runs, attack, eps, norm):
    """Returns the `Preset` of an attack on all runs.

    Args:
        runs: list of `FinishedRun`.
        attack: name of the attack.
        eps, norm: see `ball`.

    Raises:
        UserError: runs with different balls, no such attack.
    """
    balls = dict.fromkeys(ball(run.flags, eps, norm) for run in runs)
    if len(balls) > 1:
        found = ", ".join(map(str, balls))
        raise UserError(f"the runs have different balls ({found}); give the attack's --eps, --norm")
    try:
        return presets.get(attack, *balls)
    except ValueError as error:
        raise UserError(f"--attack: {error}") from error
