"""Runs the ranking attacks on a test set and keeps on the disk what they do to each query."""

import copy
import dataclasses
import functools

import numpy as np

from hm_tf.evaluation.attack_strength import AttackStrength
from hm_tf.evaluation.embedded_test_set import EmbeddedTestSet
from hm_tf.evaluation.embedding_doubts import embedding_doubts
from hm_tf.evaluation.metric_evaluation import NMI_SEEDS, clean_results, clean_values
from hm_tf.evaluation.ranking_batch import Ranker, compile_ranking_attack
from hm_tf.evaluation.ranking_records import among, row_results, strongest, worst
from hm_tf.evaluation.robustness_score import COLUMNS, printed
from hm_tf.ranking_attacks import registry
from robust_tf import randomness
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.results.cache import ResultsCache, digest, identity_of

# The modes of the other attacks differ only where the gallery has one embedding twice.
MODES_DIFFER = ("ES", "LTM", "GTM")


class RankingEvaluation:
    """Embeds a test set and attacks its queries.

    The gallery is the whole test set, clean; only the images of the batch move (HM, section 4). A
    finished batch is a line in the folder's evaluation/: a killed evaluation goes on after it.

    Args:
        network: Network with the output "embedding".
        examples: `Examples` of the test.
        pgd: `PGD` of the protocol.
        about: dict of the fields of `Result` that all records share.
        folder: `RunFolder`; None means that nothing is written.
        batch_size: Images embedded or attacked together.
        xla: Whether XLA compiles the network and the attacks.
        fresh: Whether to ignore stored results and attack again.
        progress: Whether to show progress bars.

    Attributes:
        test_set: `EmbeddedTestSet` of this network.
        stored: titles of the attacks that were found on the disk for every query.
    """

    def __init__(
        self,
        network,
        examples,
        pgd,
        about,
        folder=None,
        *,
        batch_size=128,
        xla=False,
        fresh=False,
        progress=True,
    ):
        settings = {"batch_size": batch_size, "xla": xla, "progress": progress}
        self.test_set = EmbeddedTestSet(network, examples, **settings)
        self.ranker = Ranker.of(network, self.test_set)
        self.pgd = pgd
        self.about = about
        self.folder = folder
        self.batch_size = batch_size
        self.stored = []
        self._xla = xla
        self._fresh = fresh
        self._progress = progress
        self._twice = len(np.unique(self.test_set.embeddings, axis=0)) < len(self.test_set)
        self._caches = {}

    @functools.cached_property
    def doubts(self):
        """The `Doubt`s about the network, a list; see `embedding_doubts`."""
        return embedding_doubts(self.ranker.network, self.test_set, self.batch_size)

    def of_queries(self, rows):
        """Returns the same evaluation of fewer queries, int [q]; `stored` is of both."""
        other = copy.copy(self)
        other.test_set = self.test_set.with_queries(rows)
        return other

    def attack(self, name, mode):
        """Returns the `RankingAttack`; "fixed" where both modes do the same, so it runs once."""
        same = name not in MODES_DIFFER and not self._twice
        return registry.get(name, "fixed" if same else mode)

    def clean_row(self):
        """Returns the records of the clean images, and keeps what each query found."""
        same = {**self._shared_identity, "attack": "clean", "settings": {}, "threat_model": {}}
        self._cache(same).add(0, self.test_set.searched, clean_values(self.test_set))
        clusterings = self._cache({**same, "attack": "NMI"}, NMI_SEEDS)
        return clean_results(self.test_set, self.about, clusterings, progress=self._progress)

    def protocol_row(self, names, mode, source=None):
        """Returns the records of the protocol, or of images made on a substitute.

        Args:
            names: Names of the attacks.
            mode: "compat" or "fixed".
            source: `Substitute` on which the images are made; None means the network itself.
        """
        outcomes = {}
        for attack in names:
            [outcomes[attack]] = self.runs(attack, mode, source=source)
        return self.protocol_results(outcomes, mode, source)

    def protocol_results(self, outcomes, mode, source=None):
        """Returns the records of the protocol.

        Args:
            outcomes: dict attack -> dict measure -> float [queries], from `runs`.
            mode, source: See `protocol_row`.
        """
        settings = {**AttackStrength(self.pgd).settings, "mode": mode, "strength": "protocol"}
        if source is not None:
            made_on = {"substitute": source.name, "substitute_hash": source.weights_hash}
            settings |= {"strength": "transfer", **made_on}
        return row_results(outcomes, self, settings)

    def strong_rows(self, names, mode, restarts):
        """Returns the records of the strongest run by objective, then of the worst by measure.

        Args:
            names: Names of the attacks.
            mode: "compat" or "fixed".
            restarts: Random starts beside the protocol's run.
        """
        strength = AttackStrength.strong(self.pgd, restarts)
        best, lowest = {}, {}
        for name in names:
            runs = self.runs(name, mode) + self.runs(name, mode, strength)
            best[name], lowest[name] = strongest(runs), worst(name, runs)
        settings = {**strength.settings, "mode": mode}
        by_objective = row_results(best, self, {**settings, "strength": "strong"})
        return by_objective + row_results(lowest, self, {**settings, "strength": "worst"})

    def runs(self, name, mode, strength=None, source=None, *, until_zero=False):
        """Returns what each restart of an attack did to the queries.

        Args:
            name: Name of the attack.
            mode: "compat" or "fixed".
            strength: `AttackStrength`; None means the protocol, one run from the image itself.
            source: `Substitute` on which the images are made; None means the network itself.
            until_zero: whether a query is left out, NaN, after a restart that ends its only
                measure, see `RankingAttack.ends_at_zero`.

        Returns:
            List of dicts "objective" and measures -> float64 [queries].
        """
        strength = strength or AttackStrength(self.pgd)
        attack = self.attack(name, mode)
        cache = self._cache(self._identity(attack, strength, source))
        before, title = cache.added, _title(attack, strength, source)
        column = next(c for c in COLUMNS if c.attack == attack.name)

        def shown(outputs, attacked):
            del attacked
            mean = printed(column, np.mean(outputs[column.measure]))
            return {column.name: f"{mean:.4g}"}

        found = attack_loop(
            self._compile(attack, strength, source),
            self.test_set.examples,
            self.test_set.queries,
            title=title,
            seed=self.about["seed"],
            restarts=strength.restarts,
            active="active" if until_zero else None,
            batch_size=self.batch_size,
            cache=cache,
            shown=shown,
            progress=self._progress,
        )
        if found and cache.added == before:
            self.stored.append(title)
        outputs = ("objective", *attack.measures)
        return [
            among(self.test_set.queries, run["rows"], {name: run[name] for name in outputs})
            for run in found
        ]

    def _compile(self, attack, strength, source):
        key = randomness.key(self.about["seed"], 0, f"ranking attack {attack.name}")
        made_on = source and source.ranker
        return compile_ranking_attack(
            attack, strength.attack, key, self.ranker, made_on, xla=self._xla
        )

    def _cache(self, identity, count=None):
        """One cache for an attack, whatever queries it is run on; `count` None: all images."""
        place = digest(identity)
        if place not in self._caches:
            folder = self.folder and self.folder.path / "evaluation"
            self._caches[place] = ResultsCache(
                count or len(self.test_set), folder, identity, fresh=self._fresh
            )
        return self._caches[place]

    @property
    def _shared_identity(self):
        return {**identity_of(self.about), "examples": self.test_set.hash}

    def _identity(self, attack, strength, source):
        return {
            **self._shared_identity,
            "attack": attack.name,
            "mode": attack.mode,
            "strength": strength.name,
            # A further restart is added to the stored ones.
            "settings": {k: v for k, v in strength.settings.items() if k != "restarts"},
            "threat_model": dataclasses.asdict(strength.attack.threat_model),
            "substitute": source and source.weights_hash,
        }


def _title(attack, strength, source):
    mode = f" {attack.mode}" if attack.name in MODES_DIFFER else ""
    return f"{attack.name}{mode} {strength.name if source is None else 'transfer'}"
