"""Weights that follow from the name of a tensor, the same in PyTorch and here."""

import zlib

import numpy as np


def weight(name, shape):
    """Returns float32 values: positive for what is a variance or a scale, of both signs else."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name in ("mu", "sigma"):
        return rng.uniform(0.3, 0.6, shape).astype(np.float32)
    if len(shape) > 1:
        fan_in = np.prod(shape[1:])
        return (rng.standard_normal(shape) * np.sqrt(0.5 / fan_in)).astype(np.float32)
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return rng.uniform(-0.3, 0.3, shape).astype(np.float32)


def images(shape):
    """Returns float32 images in [0, 1], channels last."""
    return np.random.default_rng(0).random(shape, np.float32)
