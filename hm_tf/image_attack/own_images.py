"""A user's gallery and query in memory, with their embeddings."""

import numpy as np

from hm_tf.image_attack.embedded_gallery import EmbeddedGallery
from hm_tf.image_attack.gallery_search import search_with
from robust_tf.data import gallery_folder


class OwnImages(EmbeddedGallery):
    """An `EmbeddedGallery`, and the query that is attacked in it.

    Args:
        query: path of an image.
        query_class: see `search_with`.

    `EmbeddedGallery` describes the further arguments.

    Attributes:
        search: `GallerySearch`.
        notice: str, what had to be done to the query; "" where nothing.
    """

    def __init__(self, run, gallery, query, *, query_class, on_bad_image, batch_size, max_pixels):
        # A query that cannot be read is found before the gallery is embedded.
        self._query, self.notice = gallery_folder.read_single(query, run.info, max_pixels)
        reading = {"on_bad_image": on_bad_image, "max_pixels": max_pixels}
        super().__init__(run, gallery, batch_size=batch_size, **reading)
        embedding = self.embed(self._query)
        self.search = search_with(self.files, self.embeddings, query, embedding, query_class)

    def embed(self, image):
        """Image float32 [h, w, c] to its embedding, float32 [d]."""
        return self.embed_fn(image[None]).numpy()[0].astype(np.float32)

    def pixels_of(self, row):
        return self._query if row == self.search.query else super().pixels_of(row)
