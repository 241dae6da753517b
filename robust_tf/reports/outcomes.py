"""What each image did under an attack, found in the results cache of a run folder."""

import json

import numpy as np

from robust_tf.results.cache import ResultsCache

KEYED = "keyed_by"  # older caches are keyed by the batch and are not read


class Outcomes:
    """The per-image outcomes of a run.

    Args:
        run: `RecordedRun`.
    """

    def __init__(self, run):
        self._run, self._found = run, {}
        self._identities = list(_identities(run.path / "evaluation"))

    def correct(self, result):
        """Returns (bool [n], hash of the images); None where the outcomes are not complete.

        Args:
            result: `Result` of the run whose metric is the accuracy.
        """
        if id(result) not in self._found:
            found = self._look_up(result)
            # The record is the truth: outcomes of anything else are not used.
            whole = found is not None and found[0].sum() == result.correct
            self._found[id(result)] = found if whole else None
        return self._found[id(result)]

    def _look_up(self, result):
        parts = result.attack_settings.get("over") or result.attack_settings.get("members")
        if parts is None:
            return self._single(result, result.after)
        found = [self._part(name, result) for name in parts]
        if None in [part and part[1] for part in found] or len({part[1] for part in found}) > 1:
            return None
        return np.logical_and.reduce([part[0] for part in found]), found[0][1]

    def _part(self, name, whole):
        """The outcomes of an attack that a worst case or an ensemble is made of."""
        same = [
            result
            for result in self._run.measured
            if result.attack == name
            and result.n == whole.n
            and result.seed == whole.seed
            and (not result.threat_model or result.threat_model == whole.threat_model)
        ]
        return self.correct(same[-1]) if same else None

    def _single(self, result, after):
        """The outcomes of one attack; a member of an ensemble attacks what those before left."""
        for folder, identity in self._identities:
            if _is_of(identity, result):
                try:
                    cache = ResultsCache(result.n, folder, identity)
                except IndexError:  # of more images
                    continue
                if not after and not cache.known(0, np.arange(result.n)).all():
                    continue
                correct = np.ones(result.n, bool)
                for name in after:
                    before = self._part(name, result)
                    if before is None:
                        return None
                    correct &= before[0]
                for restart in range(result.attack_settings.get("restarts", 1)):
                    known = np.flatnonzero(cache.known(restart, np.arange(result.n)))
                    correct[known] &= cache.get(restart, known)["correct"]
                return correct, identity["examples"]
        return None


def _identities(folder):
    """Yields (folder, identity) of the caches that are keyed by the image."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open() as file:
            try:
                identity = json.loads(file.readline()).get("identity", {})
            except json.JSONDecodeError:
                continue
        if identity.pop(KEYED, None) == "image":
            yield folder, identity


def _is_of(identity, result):
    same = ("attack", "weights_hash", "precision", "seed")
    return (
        all(identity.get(name) == getattr(result, name) for name in same)
        and (identity.get("threat_model") or {}) == result.threat_model
        and identity.get("settings") == _plain(result.attack_settings)
    )


def _plain(settings):
    return json.loads(json.dumps(settings))
