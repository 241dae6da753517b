"""One flag as one line of data: name, kind, default, help, who reads it, whose identity it is.

    number("margin", RECIPE, "Margin of the triplet loss.", only=TRIPLET, into="defense")

A package writes such lines in its `options.py`. A `FlagTable` reads them.
"""

import dataclasses
import functools
from collections.abc import Mapping

from robust_tf.cli.flag_kinds import VALUES, OrUnset

# The default of a flag whose value stands in the recipes, and must.
RECIPE = "value of the recipe"
# The value of a flag that nobody reads is left as it is.
AS_GIVEN = object()


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of a command.

    Attributes:
        kind: see the functions below this class, which fill it in.
        name: without dashes.
        default: the value without any recipe; None for no value; `RECIPE` for a required one.
        help: one or two sentences for --help.
        choices: allowed values, for the kind "choice".
        lowest, highest: bounds of a count or number.
        only: dict, name of a flag -> the values of it with which this flag is read.
        off: the value where nobody reads the flag; `AS_GIVEN` keeps the recipe's.
        by: (name of a flag, dict from its value to this flag's where this one has none); None: no
            such rule.
        into: constructor arguments that the flag becomes: "part", or "part.argument" where the
            argument has another name than the flag, or a tuple of these.
        identity: whether another value makes another run; or the name of a flag with which it does.
        compared: whether two runs with other values differ for a comparison; None: as `identity`.
        uncompared: dict, name of a flag -> the values of it with which they do not differ.
        place: whether it says where things are on this machine; flags.txt leaves it out.
    """

    kind: str
    name: str
    default: object
    help: str
    choices: tuple = ()
    _: dataclasses.KW_ONLY
    lowest: float | None = None
    highest: float | None = None
    only: Mapping = dataclasses.field(default_factory=dict)
    off: object = AS_GIVEN
    by: tuple | None = None
    into: str | tuple = ()
    identity: bool | str = True
    compared: bool | None = None
    uncompared: Mapping = dataclasses.field(default_factory=dict)
    place: bool = False

    @property
    def required(self):
        """Whether a recipe or the user must give it a value."""
        return self.default is RECIPE

    @property
    def start(self):
        """The value before any recipe."""
        return None if self.required else self.default

    @property
    def may_be_unset(self):
        """Whether `--name=auto` takes away the value that a recipe gives."""
        return self.start is None and not self.kind.startswith("path")

    def value(self, given):
        """Returns the value in the type that the code computes with, of one as absl holds it."""
        return None if given is None else VALUES.get(self.kind, lambda same: same)(given)

    def line(self, given):
        """Returns `--name=value` for a flagfile, of a value as absl holds it."""
        text = OrUnset.WORD if given is None else written(given)
        return f"--{self.name}={text}"

    def targets(self):
        """Yields (part, argument) of the constructor arguments that the flag becomes."""
        for target in (self.into,) if isinstance(self.into, str) else self.into:
            part, _, argument = target.partition(".")
            yield part, argument or self.name


def written(given):
    """Returns a value as a user types it: a list with commas."""
    return ",".join(map(str, given)) if isinstance(given, list) else given


text = functools.partial(Flag, "text")
path = functools.partial(Flag, "path")
paths = functools.partial(Flag, "paths")
repeated_path = functools.partial(Flag, "repeated_path")
choice = functools.partial(Flag, "choice")
switch = functools.partial(Flag, "switch")
count = functools.partial(Flag, "count", lowest=1)
number = functools.partial(Flag, "number", lowest=0.0)
magnitude = functools.partial(Flag, "magnitude")  # 8/255, 0.03
names = functools.partial(Flag, "names")  # a,b,c
numbers = functools.partial(Flag, "numbers")  # 0.1,0.01
counts = functools.partial(Flag, "counts")  # 50000,60000


def group(*flags, only=(), into=""):
    """Returns flags with what they have in common: who reads them, and which part they go into.

    Args:
        *flags: `Flag`; what one says of itself wins.
        only, into: as in `Flag`.
    """
    return tuple(
        dataclasses.replace(flag, only={**dict(only), **flag.only}, into=flag.into or into)
        for flag in flags
    )
