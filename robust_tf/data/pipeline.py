"""The one input pipeline. Every batch is a pure function of seed and step: any step can be resumed
and nothing has to be saved."""

import tensorflow as tf

from robust_tf.data import image_files
from robust_tf.data.class_balanced import SameClass
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
    augment=True,
):
    """Returns the training batches of the steps start_step..stop_step-1 as a tf.data.Dataset.

    Each element is a dict of B = batch_size rows, so that a strategy can split it:
        image: float32 [B, h, w, c] in [0, 1], the anchors, and label: int32 [B].
        step: int64 [B], all equal, the step this batch belongs to.
        positive: float32 [B, h, w, c], images of the anchors' classes; each image once per epoch.
        pool: float32 [B, pool_mul, h, w, c] and pool_label: int32 [B, pool_mul], drawn
            independently of the anchors.

    Args:
        examples: Examples of the training split.
        info: DatasetInfo, for the augmentation.
        batch_size: the global batch size.
        seed: int, the seed of the run.
        start_step: first step.
        stop_step: one past the last step.
        streams: which of "positive" and "pool" to add to the anchors.
        pool_mul: pool images per anchor.
        augment: whether to augment; every stream draws its own crops and flips.

    Raises:
        ValueError: unknown stream.
    """
    if unknown := set(streams) - set(STREAMS):
        raise ValueError(f"Unknown streams {sorted(unknown)}; allowed: {', '.join(STREAMS)}.")
    fetch = fetcher(examples)
    labels = tf.constant(examples.labels)
    same_class = SameClass(examples.labels) if "positive" in streams else None

    def images(index, step, stream):
        pixels = fetch(index)
        if augment:
            return to_float(info.augment(pixels, key(seed, step, f"augment {stream}")))
        return to_float(seen(examples, pixels))

    def batch(step):
        position = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        anchor = stream_index(position, len(examples), seed=seed, purpose="anchor")
        result = {
            "image": images(anchor, step, "anchor"),
            "label": tf.gather(labels, anchor),
            "step": tf.fill([batch_size], step),
        }
        if "positive" in streams:
            epoch = position // len(examples)
            positive = same_class.positive_index(anchor, epoch, seed=seed)
            result["positive"] = images(positive, step, "positive")
        if "pool" in streams:
            size = batch_size * pool_mul
            position = step * size + tf.range(size, dtype=tf.int64)
            pool = stream_index(position, len(examples), seed=seed, purpose="pool")
            shape = [batch_size, pool_mul, *examples.image_shape]
            result["pool"] = tf.reshape(images(pool, step, "pool"), shape)
            result["pool_label"] = tf.reshape(tf.gather(labels, pool), shape[:2])
        return result

    return finished(tf.data.Dataset.range(start_step, stop_step), batch)


def eval_batches(examples, batch_size):
    """Returns {"image": float32 [b, h, w, c] in [0, 1], "label": int32 [b]} in order.

    b is batch_size, and less in the last batch if the number of examples asks for it.
    """
    fetch = fetcher(examples)
    labels = tf.constant(examples.labels)

    def batch(index):
        pixels = seen(examples, fetch(index))
        return {"image": to_float(pixels), "label": tf.gather(labels, index)}

    return finished(tf.data.Dataset.range(len(examples)).batch(batch_size), batch)


def fetcher(examples):
    """Returns the function index [n] -> uint8 [n, h, w, c], whole images."""
    with tf.device("cpu"):  # the whole set stays off the accelerator
        images = tf.constant(examples.images)
    if examples.encoded_shape is None:
        return lambda index: tf.gather(images, index)

    shape = examples.encoded_shape
    return lambda index: image_files.decode(tf.gather(images, index), shape)


def seen(examples, pixels):
    """Returns what a network sees of whole images without augmentation."""
    return pixels if examples.crop is None else examples.crop.centre(pixels)


def to_float(pixels):
    """uint8 images as float32 in [0, 1]."""
    return tf.cast(pixels, tf.float32) / 255.0


def finished(dataset, batch):
    """Returns the batches batch(element) of a dataset, in its order, made ahead of their use."""
    options = tf.data.Options()
    options.deterministic = True
    # one worker reads everything; the batches are global and split by the strategy
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(2).with_options(options)
