"""Which images a classifier gets right, clean and under each of a list of attacks."""

import copy
import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from robust_tf.attacks import presets
from robust_tf.attacks.objectives import correct as is_correct
from robust_tf.attacks.presets import Preset
from robust_tf.attacks.round_pixels import round_pixels
from robust_tf.attacks.square import Square
from robust_tf.data.examples import Examples
from robust_tf.evaluation.adversarial_images import AdversarialImages
from robust_tf.evaluation.attack_loop import Eager, attack_loop, compile_batch, images_of
from robust_tf.evaluation.doubts import looked_at
from robust_tf.evaluation.free_checks import check_labels, free_checks
from robust_tf.results.attack_settings import attack_settings
from robust_tf.results.cache import ResultsCache, digest, examples_hash
from robust_tf.results.result import worst_case

CLEAN = "clean"
WORST_CASE = "worst case"
WORST_CASE_ROUNDED = f"{WORST_CASE}, rounded"
# Enough for every loss to take its usual form.
MANY_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Column:
    """One attack to run.

    Attributes:
        name: of the attack.
        preset: its `Preset`; None for clean images.
        ensemble: name of the ensemble it is run as a member of, after those before it; None alone.
        substitute: name of the substitute that the images are made on; None for the network.
    """

    name: str
    preset: Preset | None = None
    ensemble: str | None = None
    substitute: str | None = None

    @property
    def threat_model(self):
        """`ThreatModel` of the attack; None of clean images."""
        return self.preset and self.preset.threat_model


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What one attack, or several together, did.

    Attributes:
        name: of the attack.
        correct: bool [n], the images that are still classified correctly.
        threat_model: `ThreatModel`; None for clean images.
        settings: dict of the hyper-parameters.
        after: names of the attacks before, whose victims were not attacked any more.
    """

    name: str
    correct: np.ndarray
    threat_model: object
    settings: dict
    after: tuple = ()


@dataclasses.dataclass(frozen=True)
class Substitute:
    """A classifier that adversarial images are made on, to be tried on the evaluated one.

    Attributes:
        logits_fn: images to logits.
        weights_hash: of its weights.
    """

    logits_fn: object
    weights_hash: str


class ClassifierEvaluation:
    """Attacks the images of a data set, column by column, after a few free checks.

    Args:
        outputs_fn: images [b, h, w, c] to logits or probabilities [b, classes].
        examples: `Examples`.
        seed: int, of the attacks' random draws.
        identity: dict for JSON of what the outputs depend on beside images and attack: weights,
            precision, seed.
        folder: path; gets `evaluation/` and `adversarial/`. None: nothing is stored.
        batch_size: images per attacked batch.
        fixed_size: whether the network accepts batches of this size only.
        dtype: of the images.
        jit_compile: bool, whether the attacks are compiled with XLA.
        substitutes: dict name -> `Substitute`, named by columns.
        fresh: whether to attack again what is stored.
        save_adversarial: whether to keep the images, in `adversarial/`, and to use those kept.
        progress: whether to show progress bars.
        say: function of a line, for what is worth a line; None: silent.

    Attributes:
        checked: `FreeChecks` of the classifier.
        outcomes: list of `Outcome`, in the order of the columns.
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
        self.outcomes = []
        self._loop = {"seed": seed, "batch_size": batch_size, "fixed_size": fixed_size}
        self._loop |= {"dtype": dtype, "progress": progress}
        self._jit_compile, self._fresh = jit_compile, fresh
        self._substitutes = substitutes or {}
        self._save_adversarial = save_adversarial
        self.say = say or _say_nothing
        self._caches = {}
        rows = looked_at(len(examples), batch_size, fixed_size)
        labels = tf.constant(examples.labels[rows], tf.int32)
        images = images_of(examples, rows, dtype)
        self.checked = free_checks(outputs_fn, images, labels, fixed_size=fixed_size)
        check_labels(examples.labels, self.checked.num_classes)
        self.logits_fn = self.checked.logits_fn
        self._identity = {"kind": self.checked.kind, **(identity or {})}
        self._identity["examples"] = examples_hash(examples)

    def run(self, columns):
        """Attacks with all columns and returns `outcomes`.

        A column that stands alone attacks all images. A member of an ensemble attacks what is still
        correct (AutoAttack, Croce and Hein 2020). Where probabilities are saturated Square follows.

        Args:
            columns: list of `Column`.
        """
        for column in columns:  # refuses kept images of others, before any work
            self._adversarial(column)
        for line in self._remarks(columns):
            self.say(line)
        ensembles = {}
        for column in columns:
            active, after = ensembles.get(column.ensemble, (None, ()))
            if column.ensemble and active is None:
                active, after = self.correct(Column(CLEAN)), (CLEAN,)
            work = self._work(column, active)
            # As `correct` does; called here, the loss of an attack lies one frame higher.
            correct = self._reduced(column, work, attack_loop(**work))
            self.add(self._outcome(column, correct, after))
            if column.ensemble:
                ensembles[column.ensemble] = correct, (*after, column.name)
        for name, (correct, (_, *members)) in ensembles.items():
            ball = next(c.threat_model for c in columns if c.ensemble == name)
            self.add(Outcome(name, correct, ball, {"members": members}))
        if self.checked.saturated and not any(map(_is_square, columns)):
            self._add_square(columns)
        return self.outcomes

    def add(self, outcome):
        """Takes a new `Outcome`; a subclass may record it."""
        self.outcomes.append(outcome)

    def worst_case(self, threat_model):
        """Returns the `Outcome` over clean images and everything that was run in `threat_model`."""
        members = [name for o in self.outcomes for name in o.settings.get("members", ())]
        whole = [o for o in self.outcomes if not (o.after and o.name in members)]
        over = {o.name: o.correct for o in whole} | {CLEAN: self.correct(Column(CLEAN))}
        names = sorted(over)
        rounded = any(outcome.settings.get("rounded") for outcome in self.outcomes)
        title = WORST_CASE_ROUNDED if rounded else WORST_CASE
        attacked = threat_model if names != [CLEAN] else None
        return Outcome(title, worst_case(over.values()), attacked, {"over": names})

    def correct(self, column, active=None):
        """Returns bool [n], which of the images `active` (default: all) stay correct."""
        work = self._work(column, active)
        return self._reduced(column, work, attack_loop(**work))

    def is_stored(self, column):
        """Returns whether the results of all images under the column are known."""
        try:
            attack_loop(**{**self._work(column), "attack_batch": _not_stored})
        except LookupError:
            return False
        return True

    def images(self, title, count):
        """Returns the arguments of `attack_loop` for the first `count` images, but the function."""
        return {"examples": self.examples, "rows": np.arange(count), "title": title, **self._loop}

    def silent(self):
        """Returns the same evaluation without lines, bars and kept images; results are shared."""
        other = copy.copy(self)
        other.say, other._loop = _say_nothing, {**self._loop, "progress": False}
        other._save_adversarial, other.outcomes = False, []
        return other

    def settings(self, column):
        """Returns the `attack_settings` of the records of a column."""
        settings = attack_settings(column.preset, self.checked.num_classes)
        if column.substitute is not None:
            settings["substitute"] = self._substitutes[column.substitute].weights_hash
        return settings

    def _work(self, column, active=None):
        """The arguments of `attack_loop` for the images `active`, bool [n]; None: all."""
        rows = np.arange(len(self.examples)) if active is None else np.flatnonzero(active)
        adversarial = self._adversarial(column)
        if adversarial is not None and adversarial.complete:
            self.say(f"{column.name}: images of {adversarial.path}; --fresh makes them again")
            return {
                "attack_batch": classify_attacked(self.logits_fn, self.examples.labels),
                "examples": Examples(adversarial.images, self.examples.labels),
                "rows": np.flatnonzero(adversarial.attacked),
                "title": column.name,
                **self._loop,
            }
        return {
            "attack_batch": self._compiled(column),
            "examples": self.examples,
            "rows": rows,
            "cache": self._cache(column, adversarial),
            "title": column.name,
            "restarts": column.preset.restarts if column.preset else 1,
            "active": "correct",
            "shown": lambda run: {"correct": f"{100 * run['correct'].mean():.2f} %"},
            **self._loop,
        }

    def _reduced(self, column, work, runs):
        """Bool [n], the images that stay correct; says where nothing was attacked."""
        correct, cache = still_correct(runs, len(self.examples)), work.get("cache")
        if isinstance(cache, AdversarialImages):
            cache.save(np.isin(np.arange(len(self.examples)), work["rows"]))
        if not len(work["rows"]):
            self.say(f"{column.name}: no image is left to attack")
        elif cache is not None and not cache.added:
            mean = 100 * correct.mean()
            self.say(f"{column.name}: stored ({mean:.2f} %); --fresh measures again")
        return correct

    def _compiled(self, column):
        source = self._substitutes.get(column.substitute)
        attack_batch = classify_attacked(
            self.logits_fn,
            self.examples.labels,
            column.preset,
            source_fn=source and source.logits_fn,
            keep_images=self._save_adversarial and column.preset is not None,
        )
        if column.preset is not None and column.preset.eager:
            return Eager(attack_batch)
        return compile_batch(attack_batch, jit_compile=self._jit_compile, title=column.name)

    def _remarks(self, columns):
        """A line for each doubt, and for each attack whose loss takes more classes."""
        yield from (f"warning: {doubt.message}" for doubt in self.checked.doubts)
        classes = self.checked.num_classes
        for column in columns:
            loss_name = getattr(column.preset and column.preset.attack, "loss_name", lambda _: None)
            taken, usual = loss_name(classes), loss_name(MANY_CLASSES)
            if taken != usual:
                yield (
                    f"{column.name}: ascends the {taken}; {classes} classes are too few for the "
                    f"{usual}"
                )

    def _add_square(self, columns):
        """Square on what is still correct: it needs no gradients."""
        balls = [column.threat_model for column in columns if column.threat_model]
        for ball in balls[:1]:
            before = self.worst_case(ball)
            column = Column("square", presets.get("square", ball))
            correct = self.correct(column, before.correct)
            self.add(self._outcome(column, correct, before.settings["over"]))

    def _outcome(self, column, correct, after=()):
        settings = self.settings(column)
        return Outcome(column.name, correct, column.threat_model, settings, tuple(after))

    def _adversarial(self, column):
        """The `AdversarialImages` of a column; None if they are not wanted or it is clean."""
        if column.preset is None or not self._save_adversarial:
            return None
        name = "-".join(filter(None, [column.ensemble, column.name.replace(" ", "-")]))
        shape = (len(self.examples), *self.examples.image_shape)
        path = self.folder / "adversarial" / f"{name}.npz"
        return AdversarialImages(path, self.identity(column), shape, fresh=self._fresh)

    def _cache(self, column, adversarial=None):
        identity, fresh = self.identity(column), self._fresh
        if adversarial is not None:
            identity["images"] = adversarial.path.name
            # Outcomes without their images would leave holes in the file.
            fresh = fresh or not adversarial.begun
        place, folder = digest(identity), self.folder and self.folder / "evaluation"
        if place not in self._caches:
            count = len(self.examples)
            self._caches[place] = ResultsCache(count, folder, identity, fresh=fresh)
        if adversarial is None:
            return self._caches[place]
        adversarial.cache = self._caches[place]
        return adversarial

    def identity(self, column):
        """Returns the dict that the outputs of a column depend on."""
        return {
            **self._identity,
            "attack": column.name,
            "settings": self.settings(column),
            "threat_model": column.threat_model and dataclasses.asdict(column.threat_model),
        }


def classify_attacked(logits_fn, labels, preset=None, *, source_fn=None, keep_images=False):
    """Returns the function of one batch for `attack_loop`.

    Args:
        logits_fn: images to logits.
        labels: int [n], of the whole data set.
        preset: `Preset`; None for clean images.
        source_fn: images to logits, of the classifier that the images are made on; by default the
            same.
        keep_images: whether the outputs hold the attacked images, "image".

    Returns:
        (images, rows, keys) -> dict of "correct", "finite" and "inside", bool [b].
    """
    labels = tf.constant(labels, tf.int32)
    attack = preset and preset.attack
    if preset is not None and preset.restarts > 1:
        attack = dataclasses.replace(attack, restarts=1)

    def attack_batch(images, rows, keys):
        y, attacked = tf.gather(labels, rows), images
        inside = tf.ones_like(rows, tf.bool)
        if attack is not None:
            attacked = attack.perturb(source_fn or logits_fn, images, y, keys)
            if preset.rounded:
                attacked = round_pixels(attacked, images, attack.threat_model)
            inside = attack.threat_model.contains(attacked, images)
        logits = logits_fn(attacked)
        finite = tf.reduce_all(tf.math.is_finite(logits), axis=1)
        outputs = {"correct": is_correct(logits, y), "finite": finite, "inside": inside}
        return {**outputs, "image": attacked} if keep_images else outputs

    return attack_batch


def still_correct(runs, count):
    """Returns bool [count], the images that every restart attacked and left correct.

    Args:
        runs: list from `attack_loop` with `classify_attacked` and active="correct".
        count: int, images in the data set.
    """
    correct = np.zeros(count, bool)
    for run in runs:
        correct[run["rows"]] = run["correct"]
    return correct


def _is_square(column):
    return column.preset is not None and isinstance(column.preset.attack, Square)


def _not_stored(images, rows, keys):
    raise LookupError


def _say_nothing(line):
    pass
