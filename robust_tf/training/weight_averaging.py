"""Averages of batch-norm statistics beside the averaged weights of a Keras optimiser.

Keras averages the trainable variables with `use_ema=True`. Averaged weights need the statistics of
their own activations, so the statistics are averaged with the same momentum. They are appended to
the optimiser's lists of averaged variables. `keras.callbacks.SwapEMAWeights` then swaps them too.
"""

import contextlib

import keras


def average_statistics(optimizer, network):
    """Makes a built optimiser with `use_ema=True` average the batch-norm statistics of a network.

    Args:
        optimizer: Keras optimiser; without `use_ema` nothing changes.
        network: `keras.Model`.
    """
    optimizer = _inner(optimizer)
    averaged = {id(variable) for variable in optimizer._trainable_variables}
    statistics = [
        variable
        for variable in network.non_trainable_variables
        if variable.name.startswith("moving_") and id(variable) not in averaged
    ]
    if optimizer.use_ema and statistics:
        averages = [
            optimizer.add_variable_from_reference(variable, name="average")
            for variable in statistics
        ]
        optimizer._trainable_variables.extend(statistics)
        optimizer._model_variables_moving_average.extend(averages)


def take_averages(optimizer):
    """Sets weights and statistics to their averages; without `use_ema` nothing changes."""
    optimizer = _inner(optimizer)
    optimizer.finalize_variable_values(optimizer._trainable_variables)


def averages(optimizer):
    """Whether an optimiser averages the weights."""
    return _inner(optimizer).use_ema


@contextlib.contextmanager
def averaged_weights(optimizer):
    """The model has its averages inside the block, and goes on with its own weights after it."""
    if not averages(optimizer):
        yield
        return
    own = own_weights(optimizer)
    take_averages(optimizer)
    try:
        yield
    finally:
        give_back(optimizer, own)


def own_weights(optimizer):
    """Returns the values of all that is averaged, before `take_averages`: a list of arrays."""
    return [keras.ops.convert_to_numpy(v) for v in _inner(optimizer)._trainable_variables]


def give_back(optimizer, own):
    """Sets all that is averaged to the values of `own_weights`."""
    for variable, value in zip(_inner(optimizer)._trainable_variables, own, strict=True):
        variable.assign(value)


def _inner(optimizer):
    """The optimiser inside a `LossScaleOptimizer`."""
    return getattr(optimizer, "inner_optimizer", optimizer)
