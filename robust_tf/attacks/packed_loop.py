"""The loop of an attack that an image leaves as soon as it needs no further step."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

# The batch is packed as soon as no more than this share of its images is active.
PACKED_AT = 0.75
# What holds the values of a type while they are put back into the whole batch.
SCATTERED = {tf.bool: tf.int64, tf.float16: tf.float32, tf.bfloat16: tf.float32}
_shrinks = contextvars.ContextVar("shrinks", default=False)


@contextlib.contextmanager
def shrinking() -> Iterator[None]:
    """Lets the batches of a `packed_loop` that is traced in this block shrink; not for XLA.

    The shapes of XLA are fixed: of a smaller batch XLA returned wrong images.
    """
    token = _shrinks.set(True)
    try:
        yield
    finally:
        _shrinks.reset(token)


def packed_loop(
    step: Callable[[tf.Tensor, Any, Any, tf.Tensor], tuple[Any, tf.Tensor]],
    fixed: Any,
    state: Any,
    active: tf.Tensor,
    *,
    limit: int,
    result: Callable[[Any], Any],
) -> tuple[Any, tf.Tensor]:
    """Repeats a step while an image is active, at most `limit` times.

    Where it is traced as `shrinking`, the active images are packed into a smaller batch, over and
    over. The numbers of an image do not change, as its step sees only this image. Where the size of
    the batch is known (eager calls, a network of one batch size) the batch stays whole.

    Args:
        step: function (number of the step int32, fixed, state, active) -> (state, active).
        fixed: tensor or structure of tensors [batch, ...] that the step needs and keeps.
        state: tensor or structure of tensors [batch, ...] that the step changes.
        active: bool [batch], the images that need a step.
        limit: largest number of steps.
        result: function of `state` to a tensor or a structure of tensors [batch, ...].

    Returns:
        `result` of the last state of each image, and bool [batch], the images still active.
    """
    count = tf.size(active)
    sizes = [tensor.shape[0] for tensor in tf.nest.flatten((fixed, state, active))]
    packs = _shrinks.get() and all(size is None for size in sizes)

    def pack(rows, kept, batch):
        going = tf.where(batch[-1])[:, 0]
        kept = _put(kept, rows, result(batch[1]))
        batch = tf.nest.map_structure(lambda tensor: tf.gather(tensor, going), batch)
        return tf.gather(rows, going), kept, batch

    def follow(number, rows, kept, batch):
        if packs:
            going = tf.reduce_sum(tf.cast(batch[-1], tf.float32))
            few = going < PACKED_AT * tf.cast(tf.size(rows), tf.float32)
            rows, kept, batch = tf.cond(
                few, lambda: pack(rows, kept, batch), lambda: (rows, kept, batch)
            )
        fixed, state, active = batch
        state, active = step(number, fixed, state, active)
        return number + 1, rows, kept, (fixed, state, active)

    kept = result(state) if packs else ()
    rows = tf.range(count) if packs else ()
    _, rows, kept, (_, state, active) = tf.while_loop(
        lambda number, rows, kept, batch: tf.reduce_any(batch[-1]),
        follow,
        (tf.constant(0), rows, kept, (fixed, state, active)),
        parallel_iterations=1,
        maximum_iterations=limit,
    )
    if not packs:
        return result(state), active
    return _put(kept, rows, result(state)), _put(tf.zeros([count], tf.bool), rows, active)


def _put(kept, rows, values):
    def put(old, new):
        # A GPU has no kernel for the types of `SCATTERED`: the loop would wait for the processor.
        kind = SCATTERED.get(old.dtype, old.dtype)
        found = tf.tensor_scatter_nd_update(tf.cast(old, kind), rows[:, None], tf.cast(new, kind))
        return tf.ensure_shape(tf.cast(found, old.dtype), old.shape)

    return tf.nest.map_structure(put, kept, values)
