"""A user's gallery and query in memory, with their embeddings."""

import numpy as np

from hm_tf.evaluation.metric_evaluation import embed, embedding_of_batch
from hm_tf.image_attack.gallery_search import search_with
from robust_tf.data import gallery_folder
from robust_tf.results.result import weights_hash


class OwnImages:
    """Reads a gallery and a query as the network of a run sees them.

    Attributes:
        search: `GallerySearch`.
        weights_hash: Hash of the network's weights.
        notice: str, what had to be done to the query; "" where nothing.

    Args:
        run: `FinishedRun`.
        gallery, query: paths of a folder and of an image.
        query_class: See `search_with`.
        on_bad_image, max_pixels: see `gallery_folder.read`.
        batch_size: images embedded together.

    Raises:
        UserError: images that cannot be read, or are not what the network can be given.
    """

    def __init__(self, run, gallery, query, *, query_class, on_bad_image, batch_size, max_pixels):
        self._info = run.info
        self._query, self.notice = gallery_folder.read_single(query, run.info, max_pixels)
        files = gallery_folder.scan(gallery)
        files, self._examples = gallery_folder.read(files, run.info, on_bad_image, max_pixels)
        network = run.network()
        self.weights_hash = weights_hash(network)
        self._of_batch = embedding_of_batch(network)
        size = min(batch_size, len(self._examples))
        found = embed(self._of_batch, self._examples, size, "gallery")
        self.search = search_with(files, found, query, self.embed(self._query), query_class)

    def embed(self, image):
        """Image float32 [h, w, c] to its embedding, float32 [d]."""
        return self._of_batch(image[None]).numpy()[0].astype(np.float32)

    def embed_fn(self, images):
        """Images [b, h, w, c] to embeddings [b, d], with gradient."""
        return self._of_batch(images)

    def pixels_of(self, row):
        """The clean image of a row of the search, float32 [h, w, c]."""
        if row == self.search.query:
            return self._query
        return gallery_folder.pixels_of(self._examples, row)

    def read_back(self, path):
        """An image of the network's size as it comes out of its file."""
        return gallery_folder.read_single(path, self._info)[0]
