"""Pictures as data URIs, which an HTML page holds in itself."""

import base64
import io
import pathlib

import numpy as np
from matplotlib import image
from matplotlib.figure import Figure

_PNG = "image/png"
_MEDIA_TYPES = {".png": _PNG, ".svg": "image/svg+xml"}


def figure_uri(source):
    """Returns the data URI of a matplotlib `Figure`, or of the .png or .svg file of a path.

    Raises:
        ValueError: a file of another type.
    """
    if isinstance(source, Figure):
        buffer = io.BytesIO()
        source.savefig(buffer, format="png", dpi=150)
        return _data_uri(buffer.getvalue(), _PNG)
    path = pathlib.Path(source)
    if path.suffix not in _MEDIA_TYPES:
        raise ValueError(f"{path}: a figure is a file {' or '.join(_MEDIA_TYPES)}")
    return _data_uri(path.read_bytes(), _MEDIA_TYPES[path.suffix])


def pixels_uri(pixels):
    """Returns the data URI of a PNG.

    Args:
        pixels: [h, w] or [h, w, 1 or 3], uint8, or float in [0, 1].
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8:
        pixels = np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    buffer = io.BytesIO()
    image.imsave(buffer, np.broadcast_to(pixels, (*pixels.shape[:2], 3)), format="png")
    return _data_uri(buffer.getvalue(), _PNG)


def _data_uri(data, media_type):
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
