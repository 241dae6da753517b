"""Square, a random search that needs no gradients (Andriushchenko et al. 2020)."""

import dataclasses
from dataclasses import KW_ONLY

import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.attack import Attack, LogitsFn, later
from robust_tf.attacks.objective import Objective
from robust_tf.attacks.objectives import correct, margin
from robust_tf.attacks.packed_loop import packed_loop
from robust_tf.attacks.select_images import select_images
from robust_tf.attacks.square_proposals import L2Proposals, LinfProposals
from robust_tf.randomness import Shard

# The share of the image a square covers halves after each of these queries out of 10 000.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@dataclasses.dataclass(frozen=True)
class Square(Attack):
    """Keeps a random change of a square of pixels if it lowers the margin of the label.

    Args:
        threat_model, eps, norm: see `Attack`.
        queries: number of images tried, >= 1.
        p: share of the image under the first squares, in (0, 1].
        rescaled: whether a run of another length than 10,000 queries spreads the sizes of the
            squares over its queries (resc_schedule of AutoAttack's code). AutoAttack does not.

    Raises:
        ValueError: a setting out of its range.
    """

    uses_gradients = False

    _: KW_ONLY
    queries: int = 5000
    p: float = 0.8
    rescaled: bool = later(True)

    def __post_init__(self, eps, norm):
        super().__post_init__(eps, norm)
        if not 0 < self.p <= 1:  # true for NaN
            raise ValueError(f"p must be in (0, 1], got {self.p}")

    def perturb(
        self, logits_fn: LogitsFn, x: tf.Tensor, y: tf.Tensor, key: tf.Tensor, shard=Shard()
    ) -> tf.Tensor:
        """Attacks a batch, with the arguments of `Attack.perturb`.

        Images are [batch, height, width, channels] or [batch, height, width]; of vectors, [batch,
        d], a square is one entry. `logits_fn` need not be differentiable. An image is left alone
        once it is misclassified.

        Returns:
            Images like `x`, in ball and box, without gradient: the one of the lowest margin; x
            itself where it is misclassified already.

        Raises:
            ValueError: x has another shape.
        """
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        if x.shape.rank in (2, 3):

            def squeezed(images):
                return logits_fn(images[..., 0])

            return self.perturb(squeezed, x[..., None], y, key, shard)[..., 0]
        x = _batch_of_images(x)

        def look(images, y):
            logits = logits_fn(images)
            return tf.cast(margin(logits, y), x.dtype), ~correct(logits, y)

        return self._search(look, x, y, key, shard, correct(logits_fn(x), y))

    def ascend(
        self, objective: Objective, x: tf.Tensor, *, key: tf.Tensor, shard: Shard = Shard()
    ) -> tf.Tensor:
        """Searches for a high value of any objective, with the arguments of `APGD.ascend`."""
        x = _batch_of_images(x)
        active = tf.ones(tf.shape(x)[:1], tf.bool)

        def look(images, _):
            return -tf.cast(objective(images), x.dtype), tf.zeros_like(active)

        return self._search(look, x, (), key, shard, active)

    def _search(self, look, x, items, key, shard, active):
        """Lowers the first of the two that `look` returns, until the second is true."""
        kind = LinfProposals if self.threat_model.norm == "linf" else L2Proposals
        areas = [self.p / 2**level for level in range(len(HALVINGS) + 1)]
        proposals = kind(self.threat_model, areas, x.shape[1:])

        def query(number, fixed, state, active):
            (x, items, key), (candidate, best, lowest) = fixed, state
            value, done = look(candidate, items)
            better = active & ((value < lowest) | done)
            best = select_images(better, candidate, best)
            next_key = randomness.fold_in(key, number + 1)
            following = proposals.propose(x, best, self._level(number), next_key, shard)
            lowest = tf.where(better, value, lowest)
            return (tf.ensure_shape(following, x.shape), best, lowest), active & ~done

        first = proposals.start(x, randomness.fold_in(key, 0), shard)
        infinite = tf.fill(tf.shape(active), tf.constant(float("inf"), x.dtype))
        best, _ = packed_loop(
            query,
            (x, items, key),
            (tf.ensure_shape(first, x.shape), x, infinite),
            active,
            limit=self.queries,
            result=lambda state: state[1],
        )
        return tf.stop_gradient(best)

    def _level(self, number):
        """Number of halvings of the squares after `number` queries."""
        of_10_000 = number * 10_000 // self.queries if self.rescaled else number
        return tf.reduce_sum(tf.cast(of_10_000 > tf.constant(HALVINGS), tf.int32))


def _batch_of_images(x):
    x = tf.convert_to_tensor(x)
    if x.shape.rank != 4:
        raise ValueError(f"expected images [batch, height, width, channels], got {x.shape}")
    return x
