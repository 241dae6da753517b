"""Names of a package whose modules are imported when a name is first used (PEP 562).

`import tla_tf` stays fast and free of TensorFlow, so that --help answers at once.
"""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy(package: str, modules: Mapping[str, str]) -> tuple[list[str], Callable, Callable]:
    """Returns what a package assigns to `__all__`, `__getattr__` and `__dir__`.

    Args:
        package: `__name__` of the package.
        modules: dict, exported name -> module inside the package.
    """
    exported = sorted(modules)

    def get(name):
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return exported, get, lambda: sorted({*vars(sys.modules[package]), *exported})
