"""Names of a package whose modules are imported when a name is first used (PEP 562).

`import tla_tf` stays fast and free of TensorFlow, so that --help answers at once. The names stand
once, in the stub `__init__.pyi` of the package. Editors and mypy read the same stub.
"""

import ast
import importlib
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from robust_tf.errors import UserError


def lazy(package: str, file: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list]]:
    """Returns what a package assigns to `__all__`, `__getattr__` and `__dir__`.

    The use of a name raises `UserError` where Keras runs on another backend than TensorFlow.

    Args:
        package: `__name__` of the package.
        file: `__file__` of the package; the imports of the stub beside it are exported.
    """
    modules = _modules(pathlib.Path(file).with_suffix(".pyi"))

    def get(name):
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        _require_tensorflow()
        setattr(sys.modules[package], name, value)
        return value

    return sorted(modules), get, lambda: sorted({*vars(sys.modules[package]), *modules})


def _require_tensorflow():
    keras = sys.modules.get("keras")
    if keras and (backend := keras.config.backend()) != "tensorflow":
        raise UserError(
            f"Keras runs on {backend}; attacks and defenses need TensorFlow: set "
            "KERAS_BACKEND=tensorflow before the first import of keras"
        )


def _modules(stub):
    """The imports of a stub as dict: exported name -> module inside the package."""
    imports = [n for n in ast.parse(stub.read_bytes()).body if isinstance(n, ast.ImportFrom)]
    return {alias.asname: node.module for node in imports for alias in node.names}
