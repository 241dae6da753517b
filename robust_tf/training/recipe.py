"""Recipes: the flagfiles in flags/, the single store of hyper-parameters, and how they combine."""

import os
import pathlib
import re
import shlex

import robust_tf
from robust_tf.data import DATASETS
from robust_tf.errors import UserError, require_known
from robust_tf.magnitude import parse_magnitude
from robust_tf.settings import number

# What is quoted, and else a # behind another character.
_QUOTED_OR_HASH = re.compile(r"""'[^']*'|"[^"]*"|(?<=\S)#""")


def store():
    """Returns the folder of the recipes, of an installed wheel or of the checkout."""
    package = pathlib.Path(robust_tf.__file__).parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "flags"


def exists(family, dataset):
    """Whether the store has a recipe for a data set."""
    return (store() / family / f"{dataset}.flags").exists()


class Recipe:
    """The recipe of a data set, for the arguments that a user leaves out.

    Args:
        family: the subfolder of the recipes, "tla" or "hm".
        dataset: name of the data set.

    Raises:
        ValueError: there is no such recipe.
    """

    def __init__(self, family, dataset):
        known = [name for name in DATASETS if exists(family, name)]
        require_known("recipe", dataset, known)
        flags = _read(store() / family / f"{dataset}.flags", ())
        self._texts = dict(flag.removeprefix("--").split("=", 1) for flag in flags)

    def text(self, name, given=None):
        """Returns `given`, or where it is None what the recipe writes for the flag `name`."""
        return self._texts[name] if given is None else given

    def number(self, name, given=None):
        """Returns `given`, or where it is None the number that the recipe has, a float.

        Raises:
            ValueError: `given` is negative, not finite or no number.
        """
        if given is None:
            return parse_magnitude(self._texts[name])
        return number(name, given)


def combine(arguments, read_dataset, family):
    """Returns the arguments in their order of precedence, whatever the order typed.

    recipe of the dataset < the user's flagfiles < explicit flags. Where a flag stands twice, absl
    takes the later one.

    Args:
        arguments: list of str, what the user typed after the command.
        read_dataset: function (arguments) -> name of the dataset they ask for.
        family: the subfolder of the recipes, "tla" or "hm".

    Raises:
        UserError: a flagfile does not exist, is no text of flags, or includes itself.
    """
    chosen = spliced(arguments)
    recipe = store() / family / f"{read_dataset(chosen)}.flags"
    return (_read(recipe, ()) if recipe.exists() else []) + chosen


def spliced(arguments):
    """Returns the flags of the user's flagfiles, and then the explicit ones; see `combine`."""
    files, explicit = _split(arguments)
    chosen = [line for file in files for line in _read(_find(file, pathlib.Path(".")), ())]
    return chosen + explicit


def typed(arguments):
    """Returns the arguments without the user's flagfiles."""
    return _split(arguments)[1]


def _split(arguments):
    files, explicit = [], []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name not in ("--flagfile", "-flagfile"):
            explicit.append(argument)
            continue
        value = value if equals else next(rest, "")
        if not value:
            raise UserError("--flagfile needs the name of a file: --flagfile=FILE")
        files.append(value)
    return files, explicit


def _find(name, beside):
    """A flagfile by its path, beside the file that names it, or in the store."""
    in_store = store() / name.removeprefix("flags/")
    for path in (beside / name, pathlib.Path(os.path.expanduser(name)), in_store):
        if path.is_file():
            return path
    variants = ", ".join(sorted(str(p.relative_to(store())) for p in store().glob("*/*.flags")))
    raise UserError(f"--flagfile={name} does not exist; the project's own are {variants}")


def _read(path, opened):
    """Returns the flags in a file; comments start with #, files may name further files."""
    if path.resolve() in opened:
        raise UserError(f"--flagfile={path} includes itself")
    flags = []
    for words in _words_of_lines(path):
        files, explicit = _split(words)
        flags += explicit
        for file in files:
            flags += _read(_find(file, path.parent), (*opened, path.resolve()))
    return flags


def _escaped(found):
    """A # inside a word, such as a path, begins no comment: shlex would cut the word there."""
    return r"\#" if found[0] == "#" else found[0]


def _words_of_lines(path):
    try:
        lines = path.read_text("utf-8-sig").splitlines()  # editors may write a byte order mark
        return [shlex.split(_QUOTED_OR_HASH.sub(_escaped, line), comments=True) for line in lines]
    except ValueError as error:  # also bytes that are no text
        raise UserError(f"--flagfile={path} cannot be read: {error}") from error
