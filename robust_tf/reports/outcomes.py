"""What each image did under an attack, found in the results cache of a run folder."""

import dataclasses
import functools
import json
import math

import numpy as np

from robust_tf.attacks.spread_rows import spread_rows
from robust_tf.results import jsonl
from robust_tf.results.cache import ResultsCache

KEYED = "keyed_by"  # older caches are keyed by the batch and are not read
CLEAN = "clean"
CORRECT = "correct"  # the output of the metric "accuracy"
# Settings of the record of a whole evaluation that its attacks do not have.
_PARTS = ("over", "members")


class Outcomes:
    """The per-image outcomes of a run.

    The record is the truth: outcomes with another mean are not used.

    Args:
        run: `RecordedRun`.
    """

    def __init__(self, run):
        self._run, self._found = run, {}
        self._identities = list(_identities(run.path / "evaluation"))
        self._queries = functools.cache(self._most_known)

    def of(self, result):
        """Returns (bool or float [n], what was measured on); None where they are not complete.

        Only arrays that were measured on the same images can be paired.

        Args:
            result: `Result` of the run.
        """
        if id(result) not in self._found:
            found = self._look_up(result)
            same = found is not None and math.isclose(
                found[0].mean(), result.value, rel_tol=1e-6, abs_tol=1e-9
            )
            self._found[id(result)] = found if same else None
        return self._found[id(result)]

    def _look_up(self, result):
        parts = next(filter(None, map(result.attack_settings.get, _PARTS)), None)
        if parts is None:
            return self._attack(result)
        found = [self._part(name, result) for name in parts]
        if None in [part and part[1] for part in found] or len({part[1] for part in found}) > 1:
            return None
        return np.logical_and.reduce([part[0] for part in found]), found[0][1]

    def _part(self, name, whole):
        """The outcomes of an attack that a worst case or an ensemble is made of."""
        same = [
            result
            for result in self._run.measured
            if (result.attack, result.metric) == (name, whole.metric)
            and (result.n, result.seed) == (whole.n, whole.seed)
            and result.threat_model in ({}, whole.threat_model)
            and all(
                result.attack_settings.get(key) == whole.attack_settings.get(key)
                for key in ("mode", "strength")
            )
        ]
        if same or name != CLEAN:
            return self.of(same[-1]) if same else None
        # An ensemble classifies the clean images without a record of its own.
        clean = {"attack": CLEAN, "attack_settings": {}, "threat_model": {}, "after": ()}
        return self._attack(dataclasses.replace(whole, **clean))

    def _attack(self, result):
        """The outcomes of one attack; a member of an ensemble attacks what earlier members left."""
        before = [self._part(name, result) for name in result.after]
        if None in [part and part[1] for part in before]:
            return None
        output = CORRECT if result.metric == "accuracy" else result.metric
        # Without it, all that could be searched: a gallery may have images that are no queries.
        count = result.attack_settings.get("gallery", result.n if result.after else None)
        for folder, identity in self._identities:
            cache = _cache(folder, identity, count) if _is_of(identity, result) else None
            if cache is None or (before and identity["examples"] != before[0][1][0]):
                continue  # of another number of images
            measured = np.arange(cache.count)
            if not result.after:
                measured = self._measured(cache, identity["examples"], result.n, count)
            if measured is None:
                continue
            values = _merged(cache, measured, output, result)
            if values is None:
                continue
            if before:
                values = np.logical_and.reduce([values, *(part[0] for part in before)])
            rows = "all" if len(measured) == cache.count else str(measured.tolist())
            return values, (identity["examples"], rows)
        return None

    def _measured(self, cache, examples, n, gallery):
        """The rows of a record of n images, None where no rule tells them.

        They are all that are known, or as an evaluation spreads them over all queries of a gallery
        of that many images. The clean images and the training's own evaluation have all queries.
        """
        known = _known(cache)
        if gallery is None or len(known) <= n:
            return known if len(known) == n else None
        rows = spread_rows(self._queries(examples, cache.count), n)
        return rows if np.isin(rows, known).all() else None

    def _most_known(self, examples, count):
        """The rows of the cache that knows most, of all attacks on the same `count` images."""
        same = [place for place in self._identities if place[1]["examples"] == examples]
        return max((_known(_cache(*place, count)) for place in same), key=len)


def _cache(folder, identity, count):
    try:
        return ResultsCache(count, folder, identity)
    except IndexError:  # of more images
        return None


def _known(cache):
    return np.flatnonzero(cache.known(0, np.arange(cache.count)))


def _merged(cache, rows, output, result):
    """bool or float [rows]: correct is what every restart leaves correct; None without output."""
    if output != CORRECT:
        values = cache.get(0, rows).get(output)
        return values if values is None or result.correct is None else values.astype(bool)
    correct = np.ones(len(rows), bool)
    for restart in range(result.attack_settings.get("restarts", 1)):
        known = cache.known(restart, rows)
        if known.any():  # no restart follows one that leaves no image correct
            correct[known] &= cache.get(restart, rows[known])[output]
    return correct


def _identities(folder):
    """Yields (folder, identity) of the caches that are keyed by the image."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            identity = (jsonl.parsed(file.readline().strip()) or {}).get("identity") or {}
        if identity.pop(KEYED, None) == "image":
            yield folder, identity


def _is_of(identity, result):
    own = json.loads(json.dumps(result.attack_settings))
    return (
        all(
            identity.get(name) == getattr(result, name)
            for name in ("attack", "weights_hash", "precision", "seed")
        )
        and (identity.get("threat_model") or {}) == result.threat_model
        and all(own.get(name) == value for name, value in identity.get("settings", {}).items())
        and identity.get("strength", own.get("strength")) == own.get("strength")
        and identity.get("substitute") == own.get("substitute_hash")
    )
