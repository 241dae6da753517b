"""AWP, adversarial weight perturbation (Wu et al. 2020)."""

import contextlib

import tensorflow as tf


def perturbation(weights, gradient, gamma):
    """gamma * ||w|| * g / ||g||, the steepest ascent in the ball of a layer; 0 where g is 0."""
    size = gamma * tf.norm(weights)
    return size * tf.math.divide_no_nan(gradient, tf.norm(gradient))


@contextlib.contextmanager
def worst_weights(model, gamma, gradients):
    """Moves the kernels to where the loss is larger, and back at the end of the block.

    One step of algorithm 1 with layer-wise balls. The gradient there thus descends
    max_v L(w + v), ||v_l|| <= gamma ||w_l||. Biases and batch norm stay, as in the authors' code.

    Args:
        model: `keras.Model`.
        gamma: float, radius of the balls.
        gradients: function without arguments to the gradients of the loss, as
            `model.trainable_variables`. What else it changes, such as batch-norm statistics, is
            taken back.
    """
    states = [variable.value for variable in model.non_trainable_variables]
    before = [tf.identity(state) for state in states]
    pairs = zip(model.trainable_variables, _summed(gradients()))
    moved = [(w.value, g) for w, g in pairs if g is not None and len(w.shape) > 1]
    _assign(states, before)
    kernels, weights = [w for w, _ in moved], [tf.identity(w) for w, _ in moved]
    _assign(kernels, [w + perturbation(w, g, gamma) for w, (_, g) in zip(weights, moved)])
    yield
    _assign(kernels, weights)


def _summed(gradients):
    """Gradients of the loss of all replicas."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    found = [g for g in gradients if g is not None]
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, found))
    return [None if g is None else next(summed) for g in gradients]


def _assign(variables, values):
    """Assigns on every replica its own values."""

    def assign(strategy, values):
        for variable, value in zip(variables, values):
            strategy.extended.update(variable, lambda v, x: v.assign(x), (value,), group=False)

    interim = tf.__internal__.distribute.interim
    interim.maybe_merge_call(assign, tf.distribute.get_strategy(), values)
