"""Image files, JPEG or PNG, as bytes: decoded in batches, and tried out one by one."""

import concurrent.futures

import tensorflow as tf

NAMED = 3  # this many bad files are named in a message


def decode(files, image_shape):
    """Returns uint8 [n, h, w, c] of files that all have the same size.

    Args:
        files: string tensor [n], or numpy array of bytes.
        image_shape: (h, w, c); files in gray are repeated over 3 channels.
    """

    def pixels(data):
        image = tf.io.decode_image(data, image_shape[-1], expand_animations=False)
        return tf.ensure_shape(image, image_shape)

    signature = tf.TensorSpec(image_shape, tf.uint8)
    return tf.map_fn(pixels, tf.convert_to_tensor(files), fn_output_signature=signature)


def pixels_or_none(data, channels):
    """Returns uint8 [h, w, channels] of one file of any size, None if it cannot be decoded."""
    try:
        with tf.device("cpu"):
            return tf.io.decode_image(data, channels, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return None


def in_threads(function, items):
    """Returns [function(item) for item in items], computed on all cores."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))


def cannot_decode(names):
    """Returns the words for a message: how many files, and the names of the first."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return (
        f"{len(names):,} image files cannot be decoded: {', '.join(map(str, names[:NAMED]))}{more}"
    )
