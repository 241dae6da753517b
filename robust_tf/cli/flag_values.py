"""Numbers that come as text: checked, with the flag's name in the one line of an error."""

import math

import keras

from robust_tf.errors import UserError
from robust_tf.threat_model import ThreatModel, parse_magnitude


def typed(options):
    """Returns the set of the names of the flags that were typed.

    Args:
        options: absl `FlagValues`; what comes from a recipe or flagfile counts as their default, as
            `robust_tf.cli.command_line.run` marks it.
    """
    return {name for name in options if not options[name].using_default_value}


def magnitude(name, text):
    """Returns the number that flag `name` was given as; UserError where it is none."""
    try:
        return parse_magnitude(text)
    except ValueError as error:
        raise UserError(f"--{name}={text}: {error}") from error


def change(name, text):
    """Returns the `magnitude` of a change of single pixels; UserError where it is above 1."""
    value = magnitude(name, text)
    if value > 1:
        raise UserError(f"--{name}={text}: pixels are in [0, 1]; did you mean {text}/255?")
    return value


def threat_model(eps, norm="linf"):
    """Returns the `ThreatModel` of --eps and --norm."""
    return ThreatModel(change("eps", eps) if norm == "linf" else magnitude("eps", eps), norm)


def schedule(options):
    """Returns the learning rate of --learning_rates and --boundaries: a number or by update."""
    rates = [_number("learning_rates", rate) for rate in options.learning_rates]
    boundaries = [_number("boundaries", step, int) for step in options.boundaries]
    if boundaries != sorted({0, *boundaries})[1:]:
        raise UserError(
            f"--boundaries={','.join(options.boundaries)}: the steps must be positive and ascend"
        )
    # A shorter run with fewer boundaries than rates is a mistake, not a guess to make.
    if len(rates) != len(boundaries) + 1:
        raise UserError(
            f"--learning_rates has {len(rates)} values and --boundaries {len(boundaries)}; "
            "there must be one rate more than boundaries"
        )
    if not boundaries:
        return rates[0]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


def _number(name, text, kind=float):
    try:
        value = kind(text)
    except ValueError as error:
        wanted = {float: "number", int: "whole number"}[kind]
        raise UserError(f"--{name}: '{text}' is not a {wanted}") from error
    if not 0 <= value < math.inf:  # false for nan
        raise UserError(f"--{name}: '{text}' must be finite and not negative")
    return value
