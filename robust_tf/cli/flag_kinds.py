"""The kinds of flags: how absl reads their text, and what the code computes with."""

import math
import os

from absl import flags

from robust_tf.magnitude import parse_magnitude


class OrUnset:
    """A parser that reads the word "auto" as no value."""

    WORD = "auto"

    def __init__(self, parser):
        self._parser = parser

    def __getattr__(self, name):
        return getattr(self._parser, name)

    def parse(self, argument):
        return None if argument == self.WORD else self._parser.parse(argument)


class _FiniteParser(flags.FloatParser):
    """Refuses nan and inf, which absl lets through."""

    def is_outside_bounds(self, val):
        return not math.isfinite(val) or super().is_outside_bounds(val)


class _TextParser(flags.ArgumentParser):
    """Refuses an empty text: --workdir=$RUN without RUN must not be the default folder."""

    def parse(self, argument):
        if not argument.strip():
            raise ValueError(
                "it has no value, as from an unset variable of a shell; give one, or leave it out"
            )
        return argument


class _PathParser(_TextParser):
    """Expands ~, which a shell leaves as it is in --name=~/folder."""

    def parse(self, argument):
        return os.path.expanduser(super().parse(argument))


class _PathsParser(flags.ListParser):
    """Reads each of several paths as `_PathParser`."""

    def parse(self, argument):
        given = [""] if argument == "" else super().parse(argument)
        return list(map(_PathParser().parse, given))


class _MagnitudeParser(flags.ArgumentParser):
    """Checks a size in pixel units and keeps its text, such as 8/255."""

    def parse(self, argument):
        parse_magnitude(argument)
        return argument


class _CountParser(flags.IntegerParser):
    def convert(self, argument):
        try:
            return super().convert(argument)
        except ValueError as error:
            raise ValueError(f"'{argument}' is not a whole number") from error


class _NumbersParser(flags.ListParser):
    """Checks numbers separated by commas and keeps their text."""

    def __init__(self, convert, expected):
        super().__init__()
        self._convert, self._expected = convert, expected

    def parse(self, argument):
        found = super().parse(argument)
        for one in found:
            try:
                value = self._convert(one)
            except ValueError as error:
                raise ValueError(f"'{one}' is not a {self._expected}") from error
            if not 0 <= value < math.inf:  # false for nan
                raise ValueError(f"'{one}' must be finite and not negative")
        return found


_PARSERS = {
    "text": lambda flag: _TextParser(),
    "path": lambda flag: _PathParser(),
    "paths": lambda flag: _PathsParser(),
    "repeated_path": lambda flag: _PathParser(),
    "count": lambda flag: _CountParser(flag.lowest, flag.highest),
    "number": lambda flag: _FiniteParser(flag.lowest, flag.highest),
    "magnitude": lambda flag: _MagnitudeParser(),
    "names": lambda flag: flags.ListParser(),
    "numbers": lambda flag: _NumbersParser(float, "number"),
    "counts": lambda flag: _NumbersParser(int, "whole number"),
}
_LISTS = ("paths", "names", "numbers", "counts")
# Kind -> function from the value that absl holds to the one that the code computes with.
VALUES = {
    "magnitude": parse_magnitude,
    "numbers": lambda given: [float(one) for one in given],
    "counts": lambda given: [int(one) for one in given],
}


def define(flag, heading, flag_values):
    """Defines a `Flag` with absl.

    Args:
        flag: `Flag`.
        heading: str, the heading of --help.
        flag_values: absl `FlagValues`.
    """
    given, about = (flag.name, flag.start), flag.help + " From the recipe." * flag.required
    where = {"flag_values": flag_values, "module_name": heading}
    if flag.kind == "choice":
        flags.DEFINE_enum(*given, list(flag.choices), about, **where)
    elif flag.kind == "switch":
        flags.DEFINE_boolean(*given, about, **where)
    elif flag.kind == "repeated_path":
        flags.DEFINE_multi(_PathParser(), flags.ArgumentSerializer(), *given, about, **where)
    else:
        commas = flags.CsvListSerializer(",")
        serializer = commas if flag.kind in _LISTS else flags.ArgumentSerializer()
        flags.DEFINE(_PARSERS[flag.kind](flag), *given, about, serializer=serializer, **where)
    if flag.may_be_unset:
        defined = flag_values[flag.name]
        defined.parser = OrUnset(defined.parser)
