"""The flags of a command as a table, and the frozen values that it makes of what was typed."""

import dataclasses
import functools
import inspect
import shlex
from collections.abc import Callable, Mapping

from absl import flags as absl_flags

from robust_tf.cli.flag import AS_GIVEN, Flag, written
from robust_tf.cli.flag_kinds import define
from robust_tf.errors import UserError
from robust_tf.runs.run_identity import RunIdentity
from robust_tf.training import recipe


@dataclasses.dataclass(frozen=True)
class FlagTable:
    """All flags of a command.

    Attributes:
        groups: dict, heading of --help -> tuple of `Flag`.
        family: subfolder of the recipes; None for a command without recipes.
        settle: function (Options) -> Options that applies the rules between flags, or raises their
            `UserError`.
    """

    groups: Mapping[str, tuple[Flag, ...]]
    family: str | None = None
    settle: Callable = staticmethod(lambda options: options)

    @functools.cached_property
    def flags(self):
        """dict, name -> `Flag`."""
        return {flag.name: flag for group in self.groups.values() for flag in group}

    def define(self, flag_values):
        """Defines the absl flags in an absl `FlagValues`."""
        for heading, group in self.groups.items():
            for flag in group:
                define(flag, heading, flag_values)

    def parse(self, arguments):
        """Returns the `Options` of what was typed, and of the recipe beneath it.

        Args:
            arguments: list of str, without the command.

        Raises:
            UserError, absl.flags.Error: a mistake in the flags.
        """
        return self.settle(self.read(arguments))

    def read(self, arguments):
        """Returns the `Options` of `parse` before the rules between flags are applied."""
        if self.family is None:  # what a flagfile says counts as typed: nothing else says it
            typed = everything = recipe.spliced(arguments)
        else:
            typed = recipe.typed(arguments)
            dataset = lambda given: self._read(given)["dataset"].value
            everything = recipe.combine(arguments, dataset, self.family)
        given = {name for name, flag in self._read(typed).items() if not flag.using_default_value}
        values = self._read(everything)
        options = Options(self, {name: values[name].value for name in self.flags}, frozenset(given))
        return options.without_unread()

    def resolve(self, arguments):
        """Returns dict of all flags, of those typed, as config.json keeps them.

        Args:
            arguments: sequence of str.
        """
        return dict(self.parse(list(arguments)).flags)

    def unread(self, flags):
        """Returns the set of the flags that a run with these flags does not read.

        Args:
            flags: dict, name -> value.
        """
        return {name for name, flag in self.flags.items() if self.closed(flag, flags)}

    def closed(self, flag, flags):
        """Returns (name, allowed values) of what keeps a `Flag` from being read; None: it is."""
        for name, allowed in flag.only.items():
            if flags.get(name, self.flags[name].start) not in allowed:
                return name, allowed
        return None

    def compared(self, flags):
        """Returns the set of the flags in which two comparable trainings must agree.

        Args:
            flags: dict, name -> value as absl holds it, of one training: it need not read all.
        """
        return {name for name in flags if name not in self.flags or self._counts(name, flags)}

    def _counts(self, name, flags):
        flag = self.flags[name]
        free = any(flags.get(other) in values for other, values in flag.uncompared.items())
        compared = flag.identity is True if flag.compared is None else flag.compared
        return compared and not free and not self.closed(flag, flags)

    def free(self, flags):
        """Returns the set of the flags in which the same run may differ, given all its flags."""
        conditional = {True: True, False: False}
        return {
            name
            for name, flag in self.flags.items()
            if not conditional.get(flag.identity, bool(flags.get(flag.identity)))
        }

    def _read(self, arguments):
        """The absl flags after parsing, as dict."""
        values = absl_flags.FlagValues()
        self.define(values)
        if rest := values(["command", *arguments])[1:]:
            raise UserError(
                f"'{rest[0]}' is not a flag; write flags as --name=value (--help lists them)"
            )
        return {name: values[name] for name in self.flags}


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of one call of a command, frozen; each value is an attribute, as `options.seed`.

    Attributes:
        table: the `FlagTable`.
        flags: dict, name -> value as absl holds it and config.json keeps it: sizes in pixel units
            and lists of numbers are text.
        typed: frozenset of the names that were typed; what a recipe or flagfile says is not.
    """

    table: FlagTable
    flags: Mapping
    typed: frozenset = frozenset()

    @functools.cached_property
    def values(self):
        """dict, name -> value in the type of the flag: 8/255 is a float."""
        flags = self.table.flags
        # Runs of older versions lack some flags.
        given = {name: self.flags.get(name, flag.start) for name, flag in flags.items()}
        found = {name: flag.value(given[name]) for name, flag in flags.items()}
        for name, flag in flags.items():
            if flag.by and given[name] is None:
                other, values = flag.by
                found[name] = values.get(given[other])
        return found

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.table.flags:
            raise AttributeError(f"no flag --{name}")
        return self.values[name]

    def changed(self, **flags):
        """Returns a copy with other flags, their values as absl holds them."""
        return dataclasses.replace(self, flags={**self.flags, **flags})

    def arguments(self, part):
        """Returns dict of the constructor arguments of a part that flags become.

        Args:
            part: as in `Flag.into`. Flags that nobody reads are left out.
        """
        return {
            argument: self.values[name]
            for name, flag in self.table.flags.items()
            for target, argument in flag.targets()
            if target == part and not self.table.closed(flag, self.values)
        }

    def fill(self, function, **more):
        """Calls a function or a class; flags of their names are the arguments that `more` lacks."""
        named = inspect.signature(function).parameters.keys() & self.values.keys()
        return function(**{**{name: self.values[name] for name in named}, **more})

    def without_unread(self):
        """Returns the options with unread flags off; `UserError` for one that was typed."""
        off = {}
        for name in self.table.unread(self.flags):
            flag = self.table.flags[name]
            if name not in self.typed:
                off |= {} if flag.off is AS_GIVEN else {name: flag.off}
            elif self.values[name] != flag.off:
                other, allowed = self.table.closed(flag, self.flags)
                given = self.flags[other]
                raise UserError(
                    f"--{name} goes with --{other}={', '.join(allowed)}, "
                    f"not {'without it' if given is None else written(given)}; leave it out"
                )
        return self.changed(**off)

    def require(self):
        """Raises the `UserError` of a flag that a recipe must give and does not."""
        for name, flag in self.table.flags.items():
            if flag.required and self.flags[name] is None:
                file = f"flags/{self.table.family}/{self.dataset}.flags"
                raise UserError(
                    f"--{name} has no value: there is no recipe {file} that gives it. Choose a "
                    "--dataset with a recipe, or give this and the other flags of a recipe"
                )

    def run_identity(self):
        """Returns the `RunIdentity` of a training with these flags."""
        defaults = {name: flag.start for name, flag in self.table.flags.items()}
        free = frozenset(self.table.free(self.flags))
        return RunIdentity(self.flags, free, defaults, self.flagfile())

    def flagfile(self):
        """Returns the text of a flagfile that makes the same run again, in any folder."""
        lines = [
            shlex.quote(flag.line(self.flags[name]))
            for name, flag in self.table.flags.items()
            if not flag.place and (self.flags[name] is not None or flag.may_be_unset)
        ]
        return "\n".join(lines) + "\n"
