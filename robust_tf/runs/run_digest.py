"""What the files of a run folder hold, kept in its digest file beside them."""

import json
import pathlib
import warnings
import zipfile

from robust_tf.results import atomic, digest

CONFIG = "config.json"


class RunDigest:
    """The digest file of a run folder: a copy of config.json and the digests of the weights.

    It keeps the last two contents of each file and is written before the file. A process that is
    killed in between leaves a file that it knows, too.

    Args:
        folder: path of the run folder.
    """

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._path = self._folder / digest.NAME
        self._config = self._folder / CONFIG

    def has_config(self):
        """Whether there is a config.json, or the copy of one."""
        return self._config.exists() or bool(self._known(CONFIG))

    def read_config(self):
        """Returns config.json as a dict, or its copy, with a warning that names what was changed.

        Raises:
            OSError, ValueError: there is none that can be read, and no copy.
        """
        known = self._known(CONFIG)
        if not known:
            return json.loads(self._config.read_bytes())
        try:
            found = json.loads(self._config.read_bytes())
        except (OSError, ValueError, RecursionError):
            found = None
        if found in known:
            return found
        what = _changes(known[0], found)
        # Once, whoever asks: the place of the warning is this line.
        warnings.warn(f"{self._config} {what}; what was written first is used", stacklevel=1)
        return known[0]

    def write_config(self, config):
        """Replaces config.json."""
        self._remember(CONFIG, config)
        atomic.write(self._config, json.dumps(config, indent=2) + "\n")

    def replace(self, beside, path):
        """Renames a complete file to `path`, as `atomic.rename`, and keeps its digest."""
        self._remember(path.name, digest.of_file(beside))
        atomic.rename(beside, path)

    def move(self, path, new):
        """Renames a file or folder, and its entry."""
        entries = digest.read(self._path)
        if path.name in entries:
            # Both names, until it has the new one.
            digest.write(self._path, {**entries, new.name: entries[path.name]})
        path.rename(new)

    def damage(self, path):
        """Returns the damage of a .keras file of the folder in words, "" without any.

        Raises:
            PermissionError: the user may not read it.
        """
        if path.exists():
            path.open("rb").close()  # `is_zipfile` takes a file without permission for damaged
        if not zipfile.is_zipfile(path):
            return "is cut off or no .keras file"
        known = self._known(path.name)
        if known and digest.of_file(path) not in known:
            return "has changed since it was written"
        return ""

    def _known(self, name):
        return digest.read(self._path).get(name, [])

    def _remember(self, name, content):
        entries = digest.read(self._path)
        before = [known for known in entries.get(name, []) if known != content]
        digest.write(self._path, {**entries, name: [content, *before][:2]})


def _changes(written, found):
    """How config.json differs from its copy, in words."""
    if not isinstance(found, dict) or not isinstance(found.get("flags", {}), dict):
        return "is missing or damaged"
    before, now = ({**config, **config.get("flags", {})} for config in (written, found))
    names = [name for name in before | now if name != "flags" and before.get(name) != now.get(name)]
    said = [f"{name} was {before.get(name)}, is {now.get(name)}" for name in names[:3]]
    return f"was changed ({'; '.join(said)})"
