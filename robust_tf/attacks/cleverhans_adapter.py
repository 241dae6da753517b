"""The attacks of cleverhans (TensorFlow 2), as baselines and for comparison with ours."""

import numpy as np
import tensorflow as tf
from cleverhans.tf2.attacks.basic_iterative_method import basic_iterative_method
from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method
from cleverhans.tf2.attacks.momentum_iterative_method import momentum_iterative_method
from cleverhans.tf2.attacks.projected_gradient_descent import projected_gradient_descent

from robust_tf.randomness import Shard
from robust_tf.threat_model import parse_magnitude

FUNCTIONS = {
    "fgm": fast_gradient_method,
    "pgd": projected_gradient_descent,
    "bim": basic_iterative_method,
    "mim": momentum_iterative_method,
}


class CleverhansAttack:
    """One of cleverhans' gradient attacks on the cross entropy.

    All start at the image: cleverhans draws its random start from TensorFlow's global generator,
    which no key can repeat. So "pgd" and "bim" agree. "mim" has decay 1 and divides each image's
    gradient by its mean absolute value.

    Args:
        name: "fgm", "pgd", "bim" or "mim".
        threat_model: a ThreatModel.
        steps: number of steps; "fgm" takes one step of eps and ignores steps and step_size.
        step_size: in pixel units, "1/255" is understood; at most eps, which None means.

    Raises:
        ValueError: unknown name, or a step size above eps.
    """

    def __init__(self, name, threat_model, steps=1, step_size=None):
        if name not in FUNCTIONS:
            raise ValueError(f"unknown attack {name!r}; choose from {', '.join(FUNCTIONS)}")
        self.name = name
        self.threat_model = threat_model
        self.steps = steps
        self.step_size = threat_model.eps if step_size is None else parse_magnitude(step_size)
        if self.step_size > threat_model.eps:
            raise ValueError(f"step_size {self.step_size} is above eps {threat_model.eps}")

    def __call__(self, logits_fn, x, y, *, key=None, shard=Shard()):
        """Attacks `x`.

        Args:
            logits_fn: images to logits [batch, classes]. Pass the same object every time:
                cleverhans compiles anew for each.
            x: float32 [batch, ...] in the box of the threat model.
            y: int [batch], the true labels. cleverhans would default to the predictions.
            key, shard: not used, as nothing is drawn at random.

        Returns:
            Images like `x`, in ball and box, without gradient.
        """
        schedule = {} if self.name == "fgm" else {"eps_iter": self.step_size, "nb_iter": self.steps}
        x_adv = FUNCTIONS[self.name](
            logits_fn,
            x,
            eps=self.threat_model.eps,
            norm=np.inf if self.threat_model.norm == "linf" else 2,
            clip_min=self.threat_model.lower,
            clip_max=self.threat_model.upper,
            y=tf.convert_to_tensor(y),
            # cleverhans' own checks call np.all on ragged lists, an error since NumPy 1.24.
            sanity_checks=False,
            **schedule,
        )
        return tf.stop_gradient(x_adv)
