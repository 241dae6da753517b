"""The one input pipeline.

Every batch is a pure function of seed and step. A run resumes at any step, and the pipeline has no
state to save.
"""

import tensorflow as tf

from robust_tf.data import image_files
from robust_tf.data.class_balanced import SameClass
from robust_tf.data.cutmix import CutMix
from robust_tf.data.epoch_order import stream_index
from robust_tf.randomness import key

STREAMS = ("positive", "pool")


def train_dataset(
    examples,
    info,
    *,
    batch_size,
    seed,
    start_step=0,
    stop_step,
    streams=STREAMS,
    pool_mul=1,
    cutmix=0.0,
):
    """Returns the training batches of the steps start_step..stop_step-1 as a tf.data.Dataset.

    Each element is a dict of B = batch_size rows, so that a strategy can split it:
        image: float32 [B, h, w, c] in [0, 1], the anchors.
        label: int32 [B], the classes of the anchors.
        step: int64 [B], the step of the batch, B times.
        positive: float32 [B, h, w, c], images of the anchors' classes; each image once per epoch.
        pool: float32 [B, pool_mul, h, w, c], images that are drawn independently of the anchors.
        pool_label: int32 [B, pool_mul], their classes.
        shares: float32 [B, classes], with CutMix the classes in an image of the anchors.

    Args:
        examples: `Examples` of the training split.
        info: `DatasetInfo` with the augmentation.
        batch_size: Images of a batch over all replicas.
        seed: int, the seed of the run.
        start_step: First step.
        stop_step: Step after the last one.
        streams: Names among "positive" and "pool" to add to the anchors.
        pool_mul: Pool images per anchor.
        cutmix: Factor of `CutMix` on the anchors; 0 for none.

    Raises:
        ValueError: An unknown stream.
    """
    if unknown := set(streams) - set(STREAMS):
        raise ValueError(f"Unknown streams {sorted(unknown)}; allowed: {', '.join(STREAMS)}.")
    draw = _Draw(examples, info.augment, batch_size, seed)
    same_class = SameClass(examples.labels) if "positive" in streams else None
    mix = CutMix(cutmix, info.num_classes) if cutmix else None

    def batch(step):
        position, anchor = draw.positions(step, "anchor")
        result = {
            "image": draw.images(anchor, step, "anchor"),
            "label": tf.gather(draw.labels, anchor),
            "step": tf.fill([batch_size], step),
        }
        if mix is not None:
            mixed = mix(result["image"], result["label"], key(seed, step, "cutmix"))
            result["image"], result["shares"] = mixed
        if "positive" in streams:
            epoch = position // len(examples)
            positive = same_class.positive_index(anchor, epoch, seed=seed)
            result["positive"] = draw.images(positive, step, "positive")
        if "pool" in streams:
            _, pool = draw.positions(step, "pool", pool_mul)
            shape = [batch_size, pool_mul, *examples.image_shape]
            result["pool"] = tf.reshape(draw.images(pool, step, "pool"), shape)
            result["pool_label"] = tf.reshape(tf.gather(draw.labels, pool), shape[:2])
        return result

    return prefetched(tf.data.Dataset.range(start_step, stop_step), batch)


class _Draw:
    """The images of a step, augmented."""

    def __init__(self, examples, augment, batch_size, seed):
        self.labels = tf.constant(examples.labels)
        self._examples, self._fetch = examples, pixel_lookup(examples)
        self._augment, self._batch_size, self._seed = augment, batch_size, seed

    def positions(self, step, stream, times=1):
        """Returns the positions of the step in a stream of `times` batches, and their images."""
        size = self._batch_size * times
        position = step * size + tf.range(size, dtype=tf.int64)
        count = len(self._examples)
        return position, stream_index(position, count, seed=self._seed, purpose=stream)

    def images(self, index, step, stream):
        """Returns float32 [n, h, w, c]; every stream draws its own crops and flips."""
        own_key = key(self._seed, step, f"augment {stream}")
        return to_float(self._augment(self._fetch(index), own_key))


def eval_images(examples):
    """Returns a function index [n] -> float32 [n, h, w, c] in [0, 1], photos cut to the middle."""
    fetch, crop = pixel_lookup(examples), examples.crop
    return lambda index: to_float(crop.centre(fetch(index)) if crop else fetch(index))


def pixel_lookup(examples):
    """Returns the function index [n] -> uint8 [n, h, w, c], images without any crop."""
    with tf.device("cpu"):  # the whole set stays off the accelerator
        images = tf.constant(examples.images)
    if examples.encoded_shape is None:
        return lambda index: tf.gather(images, index)

    shape = examples.encoded_shape
    return lambda index: image_files.decode(tf.gather(images, index), shape)


def to_float(pixels):
    """Returns uint8 images as float32 in [0, 1]."""
    return tf.cast(pixels, tf.float32) / 255.0


def prefetched(dataset, batch):
    """Returns the tf.data.Dataset of batch(element), in order, computed ahead of its use."""
    options = tf.data.Options()
    options.deterministic = True
    # Every worker reads everything: the batches are global, and the strategy splits them.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # No branch or loop of a batch depends on a tensor. AutoGraph would translate all it calls: 1 s.
    batch = tf.autograph.experimental.do_not_convert(batch)
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(2).with_options(options)
