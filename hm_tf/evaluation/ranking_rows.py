"""The rows of the evaluation's table: protocol, strong, worst and transfer, in one mode."""

from hm_tf.evaluation.ranking_records import row_results, strongest, worst
from hm_tf.evaluation.ranking_search import PGDSearch, StrongSearch


class RankingRows:
    """Runs attacks and makes their records, row by row.

    Args:
        evaluation: `RankingEvaluation`.
        names: of the attacks.
    """

    def __init__(self, evaluation, names):
        self.evaluation = evaluation
        self.names = names

    def protocol(self, mode):
        """The records of the protocol itself."""
        outcomes = {name: self.evaluation.protocol(name, mode) for name in self.names}
        return self._results(outcomes, mode, PGDSearch(self.evaluation.pgd), "protocol")

    def strong(self, mode, restarts):
        """Those of the best run by the objective, and of the worst by what is measured."""
        runs = {name: self.evaluation.strong(name, mode, restarts) for name in self.names}
        search = StrongSearch(self.evaluation.pgd, restarts)
        best = {name: strongest(of_attack) for name, of_attack in runs.items()}
        lowest = {name: worst(name, of_attack) for name, of_attack in runs.items()}
        results = self._results(best, mode, search, "strong")
        return results + self._results(lowest, mode, search, "worst")

    def transfer(self, mode, substitute):
        """Those of images made on a `Substitute`."""
        outcomes = {n: self.evaluation.protocol(n, mode, substitute) for n in self.names}
        more = {"substitute": substitute.name, "substitute_hash": substitute.weights_hash}
        search = PGDSearch(self.evaluation.pgd)
        return self._results(outcomes, mode, search, "transfer", **more)

    def _results(self, outcomes, mode, search, strength, **more):
        test_set = self.evaluation.test_set
        if test_set.limited:
            more["gallery"] = len(test_set)
        return row_results(
            outcomes,
            test_set,
            self.evaluation.about,
            settings={**search.settings, "mode": mode, "strength": strength, **more},
            threat_model=search.threat_model,
        )
