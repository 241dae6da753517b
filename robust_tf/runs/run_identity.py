"""What makes a run the same run again. Free of TensorFlow."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class RunIdentity:
    """The flags of a run, as its folder keeps them and compares them.

    Attributes:
        flags: dict, name -> value, or None.
        free: set of the names in which the same run may differ. All others make its identity.
        defaults: dict, name -> value of a run from before there was this flag.
        flagfile: text of a flagfile that makes the same run again, in any folder; "" without one.
    """

    flags: Mapping
    free: frozenset = frozenset()
    defaults: Mapping = dataclasses.field(default_factory=dict)
    flagfile: str = ""

    def differences(self, before):
        """Yields (name, value before, value now) of the identity's flags that differ.

        Args:
            before: dict of the flags of the run in the folder.
        """
        for name in sorted((before.keys() | self.flags.keys()) - self.free):
            old, new = before.get(name, self.defaults.get(name)), self.flags.get(name)
            if old != new:
                yield name, old, new
