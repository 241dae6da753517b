"""The one evaluation loop: attacks images batch by batch and keeps what each image did."""

import collections
import concurrent.futures
import functools

import numpy as np
import tensorflow as tf

from robust_tf import randomness
from robust_tf.attacks.compiled_batch import CompiledBatch, device_count
from robust_tf.data import image_files
from robust_tf.errors import RunError
from robust_tf.progress_bar import ProgressBar
from robust_tf.results.cache import ResultsCache

# A smaller batch saves less time than its tracing takes.
SMALLEST = 32
# Batches that are loaded while another one is attacked.
AHEAD = 2


def attack_loop(
    attack_batch,
    examples,
    rows=None,
    *,
    title,
    seed=0,
    restarts=1,
    active=None,
    batch_size=250,
    fixed_size=False,
    eager=False,
    dtype="float32",
    cache=None,
    shown=None,
    progress=True,
    delay=0,
):
    """Attacks images of a data set, restart by restart, and returns the outputs of each image.

    The random keys of an image depend on seed, restart and row alone. So the outputs do not depend
    on the batch size, on the order, on the other images, or on the number of devices. In the scope
    of a strategy each device attacks `batch_size` images at a time. A batch is filled up to its
    size or, if it is small, to a quarter: a new shape costs a new trace. Where one trace takes all
    sizes, see `CompiledBatch`, it is filled up only as far as the devices divide it.

    Args:
        attack_batch: function (images float [b, h, w, c] in [0, 1], rows int32 [b], keys
            int32 [b, 2]) -> dict name -> tensor [b, ...]. Pass a `CompiledBatch` to call it again
            without a new trace. Two outputs are checked and not returned: "finite", whether the
            network's outputs are finite, and "inside", whether the attacked image is in ball and
            box. All float outputs must be finite.
        examples: `Examples`.
        rows: int [m], the images to attack; default: all.
        title: str, the attack's name in the progress bar and in errors.
        seed: Seed of the random keys.
        restarts: int, independent runs.
        active: name of a bool output that says whether an image is still worth attacking: later
            restarts attack only these. None: every restart attacks all `rows`.
        batch_size: images attacked together on a device, at most; exactly, if `fixed_size`.
        fixed_size: whether the network accepts only batches of `batch_size`.
        eager: whether the function is called as it is, on one device.
        dtype: Data type of the images.
        cache: `ResultsCache` or an object with its methods; known images are not attacked again.
        shown: function (dict of the arrays so far, number of images that this restart attacks) ->
            dict of values for the progress bar.
        progress: whether to show a progress bar where there is something to attack.
        delay: Seconds of work that need no bar.

    Returns:
        List of one dict per restart: "rows" int [r], and each output as an array [r, ...]. It is
        shorter than `restarts` once no image is active.

    Raises:
        RunError: an output that is not finite, an image outside ball or box.
    """
    if not eager and not isinstance(attack_batch, CompiledBatch):
        attack_batch = CompiledBatch(attack_batch)
    cache = ResultsCache(len(examples)) if cache is None else cache
    rows = np.arange(len(examples)) if rows is None else np.asarray(rows)
    devices = 1 if eager else device_count()
    size = devices * (batch_size if fixed_size else min(batch_size, -(-len(rows) // devices) or 1))
    any_size = not eager and attack_batch.any_size
    filled_size = functools.partial(_filled_size, size, devices, fixed_size, any_size)
    runs = []
    for restart in range(restarts if len(rows) else 0):
        missing = rows[~cache.known(restart, rows)]
        silent = not progress or not len(missing)
        name = title if restarts == 1 else f"{title} {restart + 1}/{restarts}"
        compiling = not eager and not restart
        bar = ProgressBar(len(missing), name, compiling=compiling, silent=silent, delay=delay)
        with bar:
            for part, filled, images in _batches(examples, missing, size, filled_size, dtype):
                keys = randomness.image_keys(seed, "evaluation", filled)
                # As in PGD's own restarts, the first run takes the key itself.
                keys = randomness.fold_in(keys, restart) if restart else keys
                outputs = attack_batch(images, tf.constant(filled, tf.int32), keys)
                cache.add(restart, part, _checked(outputs, title, len(part)))
                bar.update(len(part))
                if shown and not silent:
                    known = rows[cache.known(restart, rows)]
                    bar.set_postfix(shown(cache.get(restart, known), len(rows)), refresh=False)
        runs.append({"rows": rows, **cache.get(restart, rows)})
        rows = rows if active is None else rows[runs[-1][active]]
        if not len(rows):
            break
    return runs


def first_success(runs, active):
    """Merges restarts: an image keeps its first run that ended its bool output `active`.

    An image that is active after all runs keeps its first run.

    Args:
        runs: list of dicts, from `attack_loop` with `active`.
        active: name of the bool output.
    """
    merged = {name: values.copy() for name, values in runs[0].items()}
    for run in runs[1:]:
        ended = ~run[active]
        places = np.searchsorted(runs[0]["rows"], run["rows"][ended])
        for name, values in merged.items():
            values[places] = run[name][ended]
    return merged


def images_of(examples, rows, dtype="float32"):
    """Returns the images of `rows`, int [b] or a slice, as a tensor [b, h, w, c] in [0, 1]."""
    images, dtype = examples.images[rows], np.dtype(dtype).type
    # As in the input pipeline: photos would go to a GPU and back, one by one.
    with tf.device("cpu"):
        if examples.encoded_shape is not None:
            images = image_files.batch_decoder(examples.encoded_shape)(tf.constant(images))
        if examples.crop is not None:
            images = examples.crop.centre(images)
        images = np.asarray(images)
    return tf.constant(images.astype(dtype) / dtype(255 if images.dtype == np.uint8 else 1))


def _filled_size(size, devices, fixed_size, any_size, count):
    """The size that a batch of `count` images is filled up to; the devices divide it."""
    if fixed_size:
        return size
    if any_size:
        return devices * -(-count // devices)
    quarter = devices * max(-(-size // (4 * devices)), -(-SMALLEST // devices))
    return quarter if count <= quarter < size else size


def _batches(examples, rows, size, filled_size, dtype):
    """Yields (rows int [n], rows filled up to the size of the batch, their images)."""

    def load(part):
        filled = np.resize(part, filled_size(len(part)))
        return part, filled, images_of(examples, filled, dtype)

    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for start in range(0, len(rows), size):
            waiting.append(pool.submit(load, rows[start : start + size]))
            # Nothing is loaded while the attack is traced: its names would depend on it.
            if len(waiting) > AHEAD or not start:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _checked(outputs, title, count):
    """The outputs of the first `count` images as arrays; raises where they mean nothing."""
    outputs = {name: value.numpy()[:count] for name, value in outputs.items()}
    inside = outputs.pop("inside", np.ones(count, bool))
    finite = [outputs.pop("finite", True)]
    finite += [np.isfinite(v) for v in outputs.values() if v.dtype.kind == "f"]
    if not all(np.all(found) for found in finite):
        raise RunError(f"{title}: outputs of the network are not finite")
    if not inside.all():
        raise RunError(
            f"{title}: {np.sum(~inside)} of {count} attacked images left the ball or the box, "
            "or are not finite, as after a gradient that is not: they mean nothing"
        )
    return outputs
