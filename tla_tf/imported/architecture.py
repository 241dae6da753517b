"""A network that others have trained: the names of its tensors, and ours."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from robust_tf.errors import UserError
from robust_tf.models.assign_weights import FLOATS, assign, named_variables


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The facts of a published network, and how its weights map to ours.

    Attributes:
        name: Name for --architecture.
        model: Name of our network; "{depth}" and "{width}" stand for the sizes.
        dataset: Data set that it was trained on.
        eps: Radius that it was trained for, as text.
        source: Where the weights come from.
        tensor_name: Function (layer, variable) -> name of the tensor in the file.
        layout: Function (layer, variable, tensor) -> array with the axes of our variable.
        prefixes: Beginnings of tensor names that carry no meaning.
        left_over: Pattern of the tensors that our network has no variable for.
        optional: Names of tensors that may be missing, all of them: our variables keep their
            initial values.
        depth, width: Sizes, None where they are fixed.
    """

    name: str
    model: str
    dataset: str
    eps: str
    source: str
    tensor_name: Callable
    layout: Callable
    prefixes: tuple
    left_over: re.Pattern
    optional: tuple = ()
    depth: int | None = None
    width: int | None = None

    def sized(self, depth, width):
        """Returns the architecture with another depth or width; None keeps a size.

        Raises:
            UserError: The size of the architecture is fixed.
        """
        given = {"depth": depth, "width": width}
        given = {name: size for name, size in given.items() if size is not None}
        for name in given:
            if getattr(self, name) is None:
                raise UserError(f"--architecture={self.name} has a fixed --{name}; leave it out")
        sized = dataclasses.replace(self, **given)
        return dataclasses.replace(sized, model=self.model.format(**vars(sized)))

    def load(self, tensors, network):
        """Puts the tensors of a file into our network.

        Every variable needs its tensor, every tensor its variable; `left_over` ones are exempt.

        Args:
            tensors: Dict from name to array.
            network: keras.Model of `model`.

        Raises:
            UserError: The two do not fit; the first mismatch is named and nothing is set.
        """
        found = self.without_prefixes(tensors)
        wanted = {key: self.tensor_name(*key.split("/")) for key in named_variables(network)}
        unknown = found.keys() - set(wanted.values())
        unknown = [name for name in unknown if not self.left_over.fullmatch(name)]
        arrays = {}
        for key, variable in named_variables(network).items():
            if wanted[key] in found:
                arrays[key] = self._array(key, variable, found[wanted[key]], wanted[key])
            elif wanted[key] in self.optional and not found.keys() & set(self.optional):
                arrays[key] = variable.numpy()
            else:
                raise self._mismatch(f"{wanted[key]} is missing", found)
        if unknown:
            raise self._mismatch(f"{min(unknown)} has no place in {network.name}", found)
        try:
            assign(network, arrays)
        except ValueError as error:
            raise UserError(f"the weights are no {self.name}: {error}") from error

    def without_prefixes(self, tensors):
        """Returns the tensors by their names without `prefixes`.

        Args:
            tensors: Dict from name to array.

        Raises:
            UserError: Two of them would have one name.
        """
        found, names = {}, {}
        for full, tensor in tensors.items():
            name = full
            for prefix in self.prefixes:
                name = name.removeprefix(prefix)
            if name in found and not self.left_over.fullmatch(name):
                raise self._mismatch(f"{names[name]} and {full} both stand for {name}")
            found[name], names[name] = tensor, full
        return found

    def _array(self, key, variable, tensor, name):
        if tensor.dtype not in FLOATS:
            raise self._mismatch(f"{name} is {tensor.dtype.name}, not float32")
        try:
            array = np.asarray(self.layout(*key.split("/"), tensor), np.float32)
        except ValueError as error:  # cannot be reshaped
            raise self._mismatch(f"{name} is {tensor.shape}: {error}") from error
        if array.shape != tuple(variable.shape):
            shape = tuple(variable.shape)
            raise self._mismatch(f"{name} is {tensor.shape} in the file and {shape} in our network")
        return array

    def _mismatch(self, what, found=()):
        held = f"; the file holds {', '.join(sorted(found)[:4])}, ..." if found else ""
        return UserError(
            f"the weights are no {self.name}: {what}{held} (--list shows the architectures)"
        )
