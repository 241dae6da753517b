"""Runs the ranking attacks on a test set; what each query does is kept on the disk."""

import copy
import dataclasses

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hm_tf.evaluation.ranking_batch import Ranker, compile_ranking_attack
from hm_tf.evaluation.ranking_search import PGDSearch, StrongSearch
from hm_tf.evaluation.robustness_score import COLUMNS, printed
from hm_tf.ranking_attacks import registry
from robust_tf import randomness
from robust_tf.data import pipeline
from robust_tf.evaluation.outcome_check import check_outcome
from robust_tf.results.cache import OutcomeStore, digest

# The modes of the others differ, if at all, where the gallery has one embedding twice.
MODES_DIFFER = ("ES", "LTM", "GTM")


class RankingEvaluation:
    """Attacks the queries of a test set, batch by batch, all batches of one shape.

    The gallery is the whole test set, clean; only the images of the batch move (HM, section 4). A
    finished batch is a line in the folder's evaluation/: a killed evaluation goes on after it.

    Args:
        network: output "embedding".
        test_set: `EmbeddedTestSet` of this network.
        pgd: `PGD` of the protocol.
        about: dict of the fields of `Result` that all records share.
        folder: `RunFolder`.
        batch_size: images per attacked batch.
        xla: whether the attacks are compiled with XLA.
        fresh: whether to attack again what is stored.

    Attributes:
        stored: titles of the attacks of which every batch was found on the disk.
    """

    def __init__(
        self, network, test_set, pgd, about, folder, *, batch_size=128, xla=False, fresh=False
    ):
        self.ranker = Ranker.of(network, test_set)
        self.test_set = test_set
        self.pgd = pgd
        self.about = about
        self.folder = folder
        self.batch_size = batch_size
        self.stored = []
        self._xla = xla
        self._fresh = fresh
        self._twice = len(np.unique(test_set.embeddings, axis=0)) < len(test_set)
        self._found = {}

    def of_queries(self, rows):
        """The same evaluation of fewer queries, int [q], against the same gallery."""
        other = copy.copy(self)
        other.test_set = self.test_set.with_queries(rows)
        other.stored, other._found = [], {}
        return other

    def attack(self, name, mode):
        """The `RankingAttack`, "fixed" where both modes do the same here: it is run once."""
        same = name not in MODES_DIFFER and not self._twice
        return registry.get(name, "fixed" if same else mode)

    def protocol(self, name, mode, source=None):
        """One run from the image itself.

        Args:
            name: of the attack.
            mode: "compat" or "fixed".
            source: `Substitute` that the images are made on, to be tried here; None means here.

        Returns:
            dict "objective" and measures -> float64 [queries].
        """
        attack = self.attack(name, mode)
        return self.runs(attack, PGDSearch(self.pgd, attack.measures_early), source)[0]

    def strong(self, name, mode, restarts):
        """The protocol's run and `restarts` strong ones, a list of dicts as `protocol` returns."""
        search = StrongSearch(self.pgd, restarts)
        return [self.protocol(name, mode), *self.runs(self.attack(name, mode), search)]

    def runs(self, attack, search, source=None):
        """All restarts of a search, a list of dicts as `protocol` returns.

        Args:
            attack: `RankingAttack`.
            search: `PGDSearch` or `StrongSearch`.
            source: as of `protocol`.
        """
        identity = self._identity(attack, search, source)
        place = digest(identity), search.restarts
        if place not in self._found:
            folder = self.folder.path / "evaluation"
            store = OutcomeStore(folder, identity, kind=float, fresh=self._fresh)
            title = _title(attack, search, source)
            self._fill(store, attack, search.restarts, self._compile(attack, search, source), title)
            names, count = ("objective", *attack.measures), len(self._batches())
            runs = [
                np.concatenate([store[restart, number] for number in range(count)])
                for restart in range(search.restarts)
            ]
            self._found[place] = [dict(zip(names, run.T, strict=True)) for run in runs]
            if not store.added:
                self.stored.append(title)
        return self._found[place]

    def batches(self):
        """Yields images [b, h, w, c], rows int32 [b], and how many of them are no filling."""
        batches = self._batches()
        filled = self._filled(range(len(batches)), batches)
        for (images, rows), known in zip(filled, batches, strict=True):
            yield images, rows, len(known)

    def _compile(self, attack, search, source):
        key = randomness.key(self.about["seed"], 0, f"ranking attack {attack.name}")
        made_on = source and source.ranker
        return compile_ranking_attack(attack, search, key, self.ranker, made_on, xla=self._xla)

    def _identity(self, attack, search, source):
        return {
            **self.about,
            "attack": attack.name,
            "mode": attack.mode,
            "strength": search.strength,
            # A further restart is added to those that are there.
            "settings": {k: v for k, v in search.settings.items() if k != "restarts"},
            "threat_model": dataclasses.asdict(search.threat_model),
            "substitute": source and source.weights_hash,
            "batch_size": self.batch_size,
            "examples": self.test_set.hash,
            "queries": digest(self.test_set.queries.tolist()),
        }

    def _fill(self, store, attack, restarts, compiled, title):
        """Attacks what the store does not have yet, float64 [images, 1 + measures] a batch."""
        batches = self._batches()
        missing = [
            (restart, number)
            for restart in range(restarts)
            for number in range(len(batches))
            if (restart, number) not in store
        ]
        column = next(c for c in COLUMNS if c.attack == attack.name)
        total, running = sum(len(batches[number]) for _, number in missing), []
        with tqdm(total=total, desc=title, unit="image", disable=not missing) as bar:
            made = self._filled([number for _, number in missing], batches)
            for (restart, number), (images, rows) in zip(missing, made, strict=True):
                key = randomness.key(self.about["seed"], number, f"{title}, restart {restart}")
                found, inside = compiled(images, rows, key)
                check_outcome(title, number, found.numpy(), inside.numpy())
                store[restart, number] = found[: len(batches[number])]
                running.append(store[restart, number][:, 1])
                value = printed(column, np.mean(np.concatenate(running)))
                bar.update(len(batches[number]))
                bar.set_postfix({column.name: f"{value:.4g}"}, refresh=False)

    def _batches(self):
        queries, size = self.test_set.queries, self.batch_size
        return [queries[start : start + size] for start in range(0, len(queries), size)]

    def _filled(self, numbers, batches):
        """The images and rows of batches, made ahead; repeated rows make up the size."""
        if not len(numbers):
            return ()
        examples = self.test_set.examples
        fetch = pipeline.fetcher(examples)
        rows = np.stack([np.resize(batches[number], self.batch_size) for number in numbers])

        def batch(index):
            return pipeline.to_float(pipeline.seen(examples, fetch(index))), index

        return pipeline.finished(tf.data.Dataset.from_tensor_slices(rows), batch)


def _title(attack, search, source):
    mode = f" {attack.mode}" if attack.name in MODES_DIFFER else ""
    return f"{attack.name}{mode} {search.strength if source is None else 'transfer'}"
