"""The record of an accuracy, clean, under one attack, or under several."""

import dataclasses

import numpy as np

from robust_tf.results.result import Result, versions, wilson_interval


def accuracy_result(correct, attack, about, *, settings=None, threat_model=None, after=()):
    """Makes the `Result` of bool [n] `correct`.

    Args:
        correct: which images are classified correctly.
        attack: its name in tables.
        about: dict of the fields of `Result` that do not depend on the attack: dataset, split,
            method, model, training_seed, precision, seed, weights_hash.
        settings: dict, see `attack_settings`; None for clean images.
        threat_model: `ThreatModel`; None for clean images.
        after: names of what was tried before, whose victims were not attacked any more.
    """
    n, count = len(correct), int(np.sum(correct))
    return Result(
        n=n,
        attack=attack,
        attack_settings=settings or {},
        threat_model=dataclasses.asdict(threat_model) if threat_model else {},
        metric="accuracy",
        value=count / n,
        correct=count,
        interval=wilson_interval(count, n),
        versions=versions(),
        after=tuple(after),
        **about,
    )


def attack_settings(preset, num_classes):
    """Returns all hyper-parameters of the attack, as JSON takes them; {} for None, clean images.

    The loss of an attack that chooses it by the number of classes is the one chosen.
    """
    if preset is None:
        return {}
    settings = {name: _plain(value) for name, value in vars(preset.attack).items()}
    del settings["threat_model"]
    if hasattr(preset.attack, "loss_name"):
        settings["loss"] = preset.attack.loss_name(num_classes)
    # Named only where it is so: what is stored without it stays valid.
    return {**settings, "rounded": True} if preset.rounded else settings


def _plain(value):
    """Objects as dicts of their attributes, down to what JSON takes."""
    if not hasattr(value, "__dict__"):
        return value
    return {name: _plain(inner) for name, inner in vars(value).items()}


def worst_case(outcomes):
    """Returns bool [n]: the images that are correct in every one of `outcomes`, each bool [n].

    The mean of the per-image minima, never above the smallest of the means (check S25; Carlini et
    al. 2019, On evaluating adversarial robustness).
    """
    return np.logical_and.reduce(list(outcomes))
