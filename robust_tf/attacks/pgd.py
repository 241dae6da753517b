"""The gradient-ascent loop of this repository (PGD, Madry et al. 2018; MIM, Dong et al. 2018)."""

import dataclasses
from collections.abc import Callable
from dataclasses import KW_ONLY
from types import NoneType
from typing import Any

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.attack import Attack, LogitsFn, require_step, unchecked
from robust_tf.attacks.momentum import Momentum
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.objectives import CrossEntropy, Margin
from robust_tf.attacks.select_images import select_images
from robust_tf.errors import require_known
from robust_tf.magnitude import parse_magnitude, usual_step_size
from robust_tf.randomness import Shard
from robust_tf.threat_model import require_pixels

LOSSES = {"ce": CrossEntropy, "margin": Margin}


@dataclasses.dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient ascent: x <- project(step(x, direction)), a fixed number of times.

    The last iterate counts, whether or not an earlier one was better. Without a random start it is
    BIM (Kurakin et al. 2017), with one step of size eps also FGSM (Goodfellow et al. 2015).

    Args:
        threat_model, eps, norm: see `Attack`.
        steps: number of gradient steps, >= 1.
        step_size: length of a step in pixel units, also "1/255", > 0 unless eps is 0; default
            2.5 * eps / steps. `dataclasses.replace` keeps it, whatever the new eps or steps.
        loss: value to ascend on a classifier: "ce", the cross entropy, or "margin", the loss of
            Carlini and Wagner 2017. `ascend` takes any `Objective` instead.
        random_start: whether to start at a random point of the ball (Madry et al. 2018) or at the
            image.
        momentum: `Momentum`, or None for the plain gradient.
        restarts: number of independent runs; more than one needs a random start.

    Raises:
        ValueError: a setting out of its range.
    """

    steps: int = 20
    step_size: float | str | None = None
    _: KW_ONLY
    loss: str = "ce"
    random_start: bool = True
    momentum: Momentum | None = None
    restarts: int = 1

    def __post_init__(self, eps, norm):
        pixels = self.threat_model is None  # eps= means images in [0, 1]
        super().__post_init__(eps, norm)
        if self.restarts > 1 and not self.random_start:
            raise ValueError("without a random start every restart would repeat the first run")
        require_known("loss", self.loss, LOSSES)
        if not isinstance(self.momentum, (Momentum, NoneType)):
            raise ValueError(f"momentum is Momentum(0.9), or None; got {self.momentum!r}")
        size = self.step_size
        if size is None:
            length = usual_step_size(self.threat_model.eps, self.steps)
        else:
            length = parse_magnitude(size, "step_size")
        object.__setattr__(self, "step_size", length)
        require_step(self.step_size, self.threat_model.eps)
        if pixels and self.threat_model.norm == "linf" and size is not None:
            require_pixels("step_size", size, self.step_size)

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key=None, shard: Shard = Shard()
    ) -> tf.Tensor:
        """Ascends the loss of the labels; see `Attack.perturb` for arguments and result."""
        return self.ascend(LOSSES[self.loss](logits_fn, y), x, key=key, shard=shard)

    def scaled(self, share: float | tf.Tensor) -> "PGD":
        """As `Attack.scaled`, with steps shorter in proportion."""
        attack: Any = super().scaled(share)
        return unchecked(attack, step_size=attack.step_size * share)

    def ascend(
        self,
        objective: Objective,
        x: tf.Tensor,
        *,
        key: tf.Tensor | None = None,
        shard: Shard = Shard(),
        start: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Ascends an objective from the random start or the image, with restarts.

        An image keeps the first restart after which it is not active any more, or else the first of
        all. Restarts end as soon as no image is active. The TLA authors' code keeps the last
        restart, which would depend on the other images of the batch; robust accuracy is the same.

        Args:
            objective: `Objective`; the sum of its values is ascended.
            x: float [batch, ...], the clean images in the box of the threat model.
            key: int32 [2] or [batch, 2], see `randomness`; needed for a random start.
            shard: which slice of the global batch `x` is; without effect on a key per image.
            start: like `x`, where the only run begins; default: the random start or `x`.

        Returns:
            Images like `x`, in ball and box, without gradient.

        Raises:
            ValueError: a random start without a key.
        """
        x = tf.convert_to_tensor(x)
        if start is None and self.restarts > 1:
            return self._with_restarts(objective, x, key, shard)
        loop = self._loop(objective, x, self._start(x, key, shard) if start is None else start)
        _, x_adv, *_ = tf.while_loop(**loop)
        return tf.stop_gradient(x_adv)

    def trajectory(
        self,
        objective: Objective,
        x: tf.Tensor,
        *,
        key: tf.Tensor | None = None,
        look: Callable[[tf.Tensor], Any] = tf.identity,
    ) -> Any:
        """Follows one run of the whole batch.

        Args:
            objective, x, key: see `ascend`.
            look: function of an iterate, float like `x`, to a tensor or a structure of tensors.

        Returns:
            What `look` returns for the start and after every step, stacked: [steps + 1, ...].
        """
        x = tf.convert_to_tensor(x)
        loop = self._loop(objective, x, self._start(x, key, Shard()), look)
        *_, seen = tf.while_loop(**loop)
        return tf.nest.map_structure(lambda array: tf.stop_gradient(array.stack()), seen)

    def _start(self, x, key, shard):
        if not self.random_start:
            return x
        if key is None:
            raise ValueError("a random start needs a key (robust_tf.randomness.key)")
        return self.threat_model.random_start(x, key, shard)

    def _loop(self, objective, x, start, look=None):
        """The arguments of `tf.while_loop`: iterate second, what `look` sees of all iterates last.

        Not a Python loop: AutoGraph is off in Keras's train_step, and unrolling would compile the
        model `steps` times.
        """
        start = tf.ensure_shape(start, x.shape)
        velocity = () if self.momentum is None else tf.zeros_like(x)
        ends, groups = objective.saturated is not None, objective.groups
        previous = tf.fill([groups], tf.constant(float("inf"), x.dtype)) if ends else ()
        going = tf.fill([groups], True)
        seen = _write(_arrays(look, start, self.steps + 1), 0, look, start)

        def ascend(step, x_adv, velocity, previous, going, seen):
            _, values, direction = objective.differentiate(x_adv)
            if self.momentum is not None:
                direction = velocity = self.momentum(velocity, direction, step)
            moved, previous, going = self.moved(
                objective, x, x_adv, values, direction, previous, going
            )
            seen = _write(seen, step + 1, look, moved)
            return step + 1, moved, velocity, previous, going, seen

        return {
            "cond": lambda *state: tf.reduce_any(state[-2]) | bool(look),
            "body": ascend,
            "loop_vars": (tf.constant(0), start, velocity, previous, going, seen),
            "parallel_iterations": 1,
            "maximum_iterations": self.steps,
        }

    def moved(
        self,
        objective: Objective,
        x: tf.Tensor,
        x_adv: tf.Tensor,
        values: tf.Tensor,
        direction: tf.Tensor,
        previous: Any,
        going: tf.Tensor,
    ) -> tuple[tf.Tensor, Any, tf.Tensor]:
        """Makes one step from iterates and their gradients.

        Args:
            objective, x: see `ascend`.
            x_adv: float like `x`, the iterates.
            values, direction: their values and where to go, see `Objective.differentiate`.
            previous: float [groups], mean values before the last step; () without saturation.
            going: bool [groups], False for the groups that are saturated: they stay.

        Returns:
            (the next iterates, mean values of the groups, `going` after this step).
        """
        size: Any = self.step_size  # a number since __post_init__
        moved = self.threat_model.step(x_adv, direction, size)
        moved = tf.ensure_shape(self.threat_model.project(moved, x), x.shape)
        if objective.saturated is None:
            return moved, previous, going
        moved = select_images(_images_of(going, values, x), moved, x_adv)
        groups = objective.groups
        means = tf.reduce_mean(tf.reshape(tf.cast(values, x.dtype), [groups, -1]), axis=1)
        return moved, means, going & ~objective.saturated(means, previous)

    def _with_restarts(self, objective, x, key, shard):
        def restart(number, best, active):
            # The first run takes the key itself: pgd20 is the first run of 20pgd20.
            run_key = tf.where(number == 0, key, randomness.fold_in(key, number))
            x_adv = self.ascend(objective, x, start=self._start(x, run_key, shard))
            ended = ~objective.active(x_adv)
            best = select_images((number == 0) | (active & ended), x_adv, best)
            return number + 1, best, tf.ensure_shape(active & ~ended, x.shape[:1])

        if key is None:
            self._start(x, key, shard)  # refuses
        _, best, _ = tf.while_loop(
            lambda number, best, active: tf.reduce_any(active),
            restart,
            (tf.constant(0), x, tf.ones(tf.shape(x)[:1], tf.bool)),
            parallel_iterations=1,
            maximum_iterations=self.restarts,
        )
        return tf.stop_gradient(best)


def _images_of(groups, values, x):
    """Which images belong to the chosen groups of items: bool [groups] to bool [n].

    The images of each role, one per item, follow one another in `x`.
    """
    items = randomness.shape_of(values)[0]
    of_items = tf.repeat(groups, items // groups.shape[0])
    roles = randomness.shape_of(x)[0] // tf.maximum(items, 1)  # a batch of one image has no triplet
    return tf.tile(of_items, [roles])


def _arrays(look, start, size):
    """An empty tensor array for everything that `look` returns."""
    if look is None:
        return ()
    return tf.nest.map_structure(
        lambda value: tf.TensorArray(value.dtype, size, element_shape=value.shape), look(start)
    )


def _write(arrays, index, look, iterate):
    if look is None:
        return ()
    return tf.nest.map_structure(lambda a, value: a.write(index, value), arrays, look(iterate))
