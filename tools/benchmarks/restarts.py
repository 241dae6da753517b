"""PGD-20 with restarts on images that are still right, against the same work through cleverhans."""

import functools

import numpy as np
import tensorflow as tf

from benchmarks import recipe, rounds
from robust_tf.attacks import presets
from robust_tf.attacks.cleverhans_adapter import CleverhansAttack
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.evaluation.attack_loop import attack_loop, images_of
from robust_tf.evaluation.attacked_batch import classify_attacked, still_correct
from robust_tf.models.output_of import output_of
from robust_tf.threat_model import ThreatModel, format_magnitude

STEPS = 20
HALF = (0.4, 0.6)
BISECTIONS = 6


def measure(classifiers, options):
    """Measures and prints.

    Args:
        classifiers: [undefended, defended] `Classifier`. The first is attacked in the ball of its
            training, the second in one in which about half of the images are robust to PGD-20.
        options: flags of the benchmark.
    """
    undefended, defended = (
        (classifier, classifier.test_images(options.images)) for classifier in classifiers
    )
    eps = recipe.training_run(undefended[0].options).settings.defense.threat_model
    cases = [(*undefended, eps, ">= 10"), (*defended, _half_robust(*defended), ">= 1.5")]
    rows = {}
    for classifier, examples, threat_model, _ in cases:
        rows.update(_rows(classifier, examples, threat_model, options.restarts))
    seconds = rounds.measure(rows, options.rounds, warmups=0)
    rounds.show_times(seconds)
    names = list(rows)
    rounds.show_ratios(
        [
            (f"cleverhans / ours, {classifier.name}", seconds[theirs] / seconds[ours], goal)
            for ours, theirs, (classifier, *_, goal) in zip(names[::2], names[1::2], cases)
        ]
    )


def _rows(classifier, examples, threat_model, restarts):
    """Our evaluation and cleverhans', each run once to compile and to count robust images."""
    size = min(classifier.options.batch_size, len(examples))
    title = f"{restarts}PGD({STEPS}), {classifier.name}, {threat_model}"
    preset = presets.get(f"{restarts}pgd{STEPS}", threat_model)
    ours = functools.partial(_ours, _compiled(classifier, examples, preset), examples, preset, size)
    theirs = functools.partial(
        _cleverhans, classifier.network, examples, preset.attack, restarts, size
    )
    print(
        f"\n{title}: {len(examples)} images in batches of {size}, {ours().mean():.2f} robust "
        f"to ours, {theirs().mean():.2f} to cleverhans'"
    )
    return {f"{title}: ours": ours, f"{title}: cleverhans": theirs}


def _compiled(classifier, examples, preset):
    attack_batch = classify_attacked(_logits_fn(classifier.network), examples.labels, preset)
    return CompiledBatch(attack_batch)


def _ours(compiled, examples, preset, size):
    """Returns bool [n], which images are still correct after all restarts."""
    options = {"restarts": preset.restarts, "batch_size": size, "progress": False}
    runs = attack_loop(compiled, examples, title=preset.name, active="correct", **options)
    return still_correct(runs, len(examples))


def _cleverhans(network, examples, pgd, restarts, size):
    """All restarts on all images, as a loop around cleverhans has it; returns bool [n].

    It starts at the image; the steps, which take the time, are the same.
    """
    logits_fn = _logits_fn(network)
    attack = CleverhansAttack(pgd.threat_model, "bim", pgd.steps, pgd.step_size)
    correct = np.ones(len(examples), bool)
    for _ in range(restarts):
        for start in range(0, len(examples), size):
            rows = np.arange(start, min(start + size, len(examples)))
            filled = np.resize(rows, size)
            images, labels = images_of(examples, filled), examples.labels[filled]
            logits = logits_fn(attack.perturb(logits_fn, images, tf.constant(labels)))
            correct[rows] &= (np.argmax(logits, axis=1) == labels)[: len(rows)]
    return correct


@functools.cache
def _logits_fn(network):
    """One compiled function a network: cleverhans compiles anew for each that it is given."""
    return tf.function(output_of(network, "logits"), autograph=False)


def _half_robust(classifier, examples):
    """The ball in which about half of the images are robust to PGD-20, by bisection."""
    training = recipe.training_run(classifier.options)
    low, high = 0.0, 2 * training.settings.defense.threat_model.eps
    for _ in range(BISECTIONS):
        eps = (low + high) / 2
        threat_model = ThreatModel(eps, classifier.options.norm)
        share = _robust_share(classifier, examples, threat_model)
        if HALF[0] <= share <= HALF[1]:
            break
        low, high = (eps, high) if share > HALF[1] else (low, eps)
    print(f"\neps {format_magnitude(eps)}: {share:.2f} robust to PGD-{STEPS}")
    return threat_model


def _robust_share(classifier, examples, threat_model):
    preset = presets.get(f"pgd{STEPS}", threat_model)
    size = min(classifier.options.batch_size, len(examples))
    return _ours(_compiled(classifier, examples, preset), examples, preset, size).mean()
