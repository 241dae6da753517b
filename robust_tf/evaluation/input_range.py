"""Images in the range that a model takes, as images in [0, 1]."""

import numpy as np

from robust_tf.attacks.attack_images import image_array
from robust_tf.training.adversarial_model import AdversarialModel

UNIT_INTERVAL = (0.0, 1.0)


def images_in_unit_range(x, input_range, model):
    """Returns uint8 images as they are, others as float32 [n, ...] in [0, 1].

    Args:
        x: array or tensor [n, ...]; uint8, or float in `input_range`.
        input_range: (low, high), the values of black and white.
        model: what takes them; a defense has its range inside.

    Raises:
        ValueError: no images, or float images outside the range, or of another one.
    """
    images = image_array(x)
    if isinstance(model, AdversarialModel) and input_range != UNIT_INTERVAL:
        raise ValueError("a defense takes images in [0, 1]; leave input_range out")
    low, high = input_range
    if not images.size:
        raise ValueError(f"there are no images: x has the shape {images.shape}")
    if images.dtype == np.uint8:
        return images
    lowest, highest = images.min(), images.max()
    if not (lowest >= low and highest <= high):  # false for NaN too
        raise ValueError(
            f"images must be finite and in [{low:g}, {high:g}]; these range from {lowest:g} to "
            f"{highest:g}; scale them, or give uint8; input_range= says what the model takes"
        )
    if input_range == UNIT_INTERVAL:
        return np.asarray(images, np.float32)  # a large set is not copied
    if lowest >= 0 and highest <= 1:
        raise ValueError(
            f"these images range from {lowest:g} to {highest:g}; float images fill "
            f"input_range=({low:g}, {high:g}) too: scale them, or give uint8"
        )
    return np.float32((images - low) / (high - low))
