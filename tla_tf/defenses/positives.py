"""Positives gathered from the mini-batch."""

import tensorflow as tf

from robust_tf.miners.masked_choice import uniform_choice


def in_batch_positive(labels, gallery_labels, own_slot, noise):
    """Returns another image of the anchor's class; its own slot where the batch has none.

    Args:
        labels: int [rows], labels of the anchors.
        gallery_labels: int [columns], labels of the batch.
        own_slot: int32 [rows], the column that is the anchor's own clean image.
        noise: uniform draws [rows, columns].

    Returns:
        int32 [rows].
    """
    columns = tf.range(tf.shape(gallery_labels)[0])
    same_class = labels[:, None] == gallery_labels[None, :]
    other_image = columns[None, :] != own_slot[:, None]
    index, found = uniform_choice(same_class & other_image, noise)
    return tf.where(found, index, own_slot)
