"""Which images a classifier gets right, clean and under each of a list of attacks."""

import copy
import dataclasses
import pathlib

import numpy as np

from robust_tf.attacks import presets
from robust_tf.attacks.auto_attack import portions
from robust_tf.attacks.compiled_batch import CompiledBatch
from robust_tf.attacks.logits_of import require_labels
from robust_tf.data.examples import Examples
from robust_tf.evaluation.attack_column import (
    CLEAN,
    WORST_CASE,
    WORST_CASE_ROUNDED,
    Column,
    Outcome,
)
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.evaluation.attacked_batch import classify_attacked, still_correct
from robust_tf.evaluation.doubts import Doubt
from robust_tf.evaluation.free_checks import check_examples
from robust_tf.evaluation.stored_attacks import StoredAttacks
from robust_tf.evaluation.weakness import WEAKNESS
from robust_tf.results.cache import examples_hash
from robust_tf.results.result import worst_case

# The output of an attacked batch that says which images later restarts attack.
ACTIVE = "correct"


class ClassifierEvaluation:
    """Attacks the images of a data set, column by column, after a few free checks.

    Args:
        outputs_fn: images [b, h, w, c] to logits or probabilities [b, classes].
        examples: `Examples`.
        seed: Seed of the attacks' random draws.
        identity: dict for JSON of what the outputs depend on beside images and attack: weights,
            precision, seed.
        folder: path; gets `evaluation/` and `adversarial/`. None: nothing is stored.
        batch_size: images per attacked batch.
        fixed_size: whether the network accepts batches of this size only.
        dtype: Data type of the images.
        jit_compile: bool, whether the attacks are compiled with XLA.
        substitutes: dict name -> `Substitute`, named by columns.
        fresh: Whether to ignore stored results and attack again.
        save_adversarial: whether to keep the images, in `adversarial/`, and to use those kept.
        progress: whether to show progress bars.
        say: Function that prints one line; None: silent.

    Attributes:
        checked: `FreeChecks` of the classifier.
        outcomes: list of `Outcome`, in the order of the columns.
        loop: dict of the arguments of `attack_loop` that all columns share.
    """

    def __init__(
        self,
        outputs_fn,
        examples,
        *,
        seed=0,
        identity=None,
        folder=None,
        batch_size=250,
        fixed_size=False,
        dtype="float32",
        jit_compile=False,
        substitutes=None,
        fresh=False,
        save_adversarial=False,
        progress=True,
        say=print,
    ):
        self.examples, self.seed, self.folder = examples, seed, folder and pathlib.Path(folder)
        self.outcomes, self._margins = [], np.full(len(examples), np.inf)
        self.loop = {"seed": seed, "batch_size": batch_size, "fixed_size": fixed_size}
        self.loop |= {"dtype": dtype, "progress": progress}
        # A graph of XLA is compiled for each size.
        self._any_size = not (fixed_size or jit_compile)
        self._jit_compile = jit_compile
        self._substitutes = substitutes or {}
        self.say = say or _say_nothing
        self.checked = check_examples(
            outputs_fn, examples, batch_size, fixed_size=fixed_size, dtype=dtype
        )
        require_labels(examples.labels, self.checked.num_classes)
        self.logits_fn = self.checked.logits_fn
        about = {"kind": self.checked.kind, **(identity or {}), "examples": examples_hash(examples)}
        self._stored = StoredAttacks(
            examples,
            self.checked.num_classes,
            about,
            substitutes=self._substitutes,
            folder=self.folder,
            fresh=fresh,
            save_adversarial=save_adversarial,
        )

    def run(self, columns):
        """Attacks with all columns and returns `outcomes`.

        A column that stands alone attacks all images. A member of an ensemble attacks the images
        that are still correct (AutoAttack, Croce and Hein 2020). Square follows where
        probabilities are saturated.

        Args:
            columns: list of `Column`.
        """
        for column in columns:  # refuses kept images of others, before any work
            self._stored.adversarial(column)
        short = filter(None, (column.too_short() for column in columns))
        self.checked.doubts.extend(Doubt("short attack", line) for line in short)
        for line in self._remarks(columns):
            self.say(line)
        ensembles = {}
        for column in columns:
            active, after = ensembles.get(column.ensemble, (None, ()))
            if column.ensemble and active is None:
                active, after = self.correct(Column(CLEAN)), (CLEAN,)
            correct = self.correct(column, active)
            if column.ensemble:
                self._warn_of_weakness(column, active, correct)
            self.add(self._outcome(column, correct, after))
            if column.ensemble:
                ensembles[column.ensemble] = correct, (*after, column.name)
        for name, (correct, (_, *members)) in ensembles.items():
            ball = next(c.threat_model for c in columns if c.ensemble == name)
            self.add(Outcome(name, correct, ball, {"members": members}))
        if self.checked.saturated and all(column.uses_gradients for column in columns):
            self._add_square(columns)
        return self.outcomes

    def add(self, outcome):
        """Takes a new `Outcome`; a subclass may record it."""
        self.outcomes.append(outcome)

    def worst_case(self, threat_model):
        """Returns the `Outcome` over clean images and everything that was run in `threat_model`."""
        members = [name for o in self.outcomes for name in o.settings.get("members", ())]
        whole = [o for o in self.outcomes if not (o.after and o.name in members)]
        correct = [self.correct(Column(CLEAN)), *(outcome.correct for outcome in whole)]
        names = sorted({CLEAN, *(outcome.name for outcome in whole)})
        rounded = any(outcome.settings.get("rounded") for outcome in self.outcomes)
        title = WORST_CASE_ROUNDED if rounded else WORST_CASE
        attacked = threat_model if names != [CLEAN] else None
        return Outcome(title, worst_case(correct), attacked, {"over": names})

    def correct(self, column, active=None):
        """Returns bool [n], which of the images `active` (default: all) stay correct."""
        active = np.ones(len(self.examples), bool) if active is None else active
        kept = self._stored.adversarial(column)
        if kept is not None and kept.complete:
            return self._shown_again(column, kept)
        cache, attack_batch = self._stored.cache(column, kept), self._compiled(column)
        correct = active.copy()
        # Kept images are of all images that the column attacks.
        sizes = column.portions if kept is None else None
        for rows in portions(correct, self._margins, sizes):
            runs = attack_loop(
                attack_batch,
                self.examples,
                rows,
                cache=cache,
                title=column.name,
                restarts=column.restarts,
                active=ACTIVE,
                eager=column.eager,
                shown=self._share_of_all(np.sum(correct) - len(rows)),
                **self.loop,
            )
            correct[rows] = still_correct(runs, len(self.examples))[rows]
            for run in runs:
                margins = run.get("margin", np.inf)
                self._margins[run["rows"]] = np.minimum(self._margins[run["rows"]], margins)
        if kept is not None:
            kept.save(active)
        if not active.any():
            self.say(f"{column.name}: no image is left to attack")
        elif not cache.added:
            mean = 100 * correct.mean()
            self.say(f"{column.name}: stored ({mean:.2f} %); --fresh measures again")
        return correct

    def _share_of_all(self, others):
        """The number of the table once all are done, unless a member is tried on a sample."""

        def shown(run, attacked):
            share = (run["correct"].mean() * attacked + others) / len(self.examples)
            return {"correct": f"{100 * share:.2f} %"}

        return shown

    def _shown_again(self, column, kept):
        """Bool [n] as `correct` returns, for finished `AdversarialImages`."""
        self.say(f"{column.name}: images of {kept.path}; --fresh makes them again")
        labels = self.examples.labels
        runs = attack_loop(
            CompiledBatch(classify_attacked(self.logits_fn, labels), any_size=self._any_size),
            Examples(kept.images, labels),
            np.flatnonzero(kept.attacked),
            title=column.name,
            **self.loop,
        )
        return still_correct(runs, len(labels))

    def _warn_of_weakness(self, column, active, correct):
        """A red light where a late member fools what the others did not, see `WEAKNESS`."""
        found = WEAKNESS.get((bool(column.portions), column.uses_gradients))
        fallen, count = np.sum(active & ~correct), len(active)
        if found is None or fallen <= max(found.allowed * count, found.allowed_images):
            return
        line = f"red light: {column.name} fools {fallen} of {np.sum(active)} images that "
        if fallen == 1 and found.allowed:  # one is too many of few images only
            line += f"{found.others}: it is counted, but {count} images are too few to tell "
            line += "whether more are missed; run standard"
        else:
            line += f"{found.others}: {found.verdict}; {found.stronger} may find more"
        self.checked.doubts.append(Doubt(found.name, line))
        self.say(f"warning: {line}")

    def is_stored(self, column):
        """Returns whether the results of all images under the column are known."""
        rows = np.arange(len(self.examples))
        return self._stored.cache(column).complete(rows, column.restarts, ACTIVE)

    def silent(self):
        """Returns the same evaluation without lines, bars and kept images; results are shared."""
        other = copy.copy(self)
        other.say, other.loop = _say_nothing, {**self.loop, "progress": False}
        other._stored = dataclasses.replace(self._stored, save_adversarial=False)
        other.outcomes = []
        return other

    def _compiled(self, column):
        source = self._substitutes.get(column.substitute)
        images = self._stored.save_adversarial and column.preset
        attack_batch = classify_attacked(
            self.logits_fn,
            self.examples.labels,
            column.preset,
            source_fn=source and source.logits_fn,
            keep=["image"] if images else ["margin"] * column.margins,
        )
        if column.eager:
            return attack_batch
        return CompiledBatch(
            attack_batch,
            jit_compile=self._jit_compile,
            any_size=self._any_size,
            title=column.name,
        )

    def _remarks(self, columns):
        """A line for each doubt, and for each attack whose loss takes more classes."""
        yield from (f"warning: {doubt.message}" for doubt in self.checked.doubts)
        lines = (column.on_loss(self.checked.num_classes) for column in columns)
        yield from filter(None, lines)

    def _add_square(self, columns):
        """Runs Square, which needs no gradients, on the images that are still correct."""
        balls = [column.threat_model for column in columns if column.threat_model]
        for ball in balls[:1]:
            before = self.worst_case(ball)
            column = Column("square", presets.get("square", ball))
            correct = self.correct(column, before.correct)
            self.add(self._outcome(column, correct, before.settings["over"]))

    def _outcome(self, column, correct, after=()):
        settings = self._stored.settings(column)
        return Outcome(column.name, correct, column.threat_model, settings, tuple(after))


def _say_nothing(line):
    del line
