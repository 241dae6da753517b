"""Pictures as data URIs, which an HTML page holds in itself."""

import base64
import io
import pathlib
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib import image
from matplotlib.figure import Figure
from PIL import Image

from robust_tf.errors import UserError
from robust_tf.reports.panels import without_math

_PNG, _SVG = "image/png", "image/svg+xml"
_MEDIA_TYPES = {".png": _PNG, ".svg": _SVG}
_BEGINNINGS = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml"}


def figure_uri(source):
    """Returns the data URI of a matplotlib `Figure`, or of the .png or .svg file of a path.

    Raises:
        ValueError: a file of another type.
        UserError: a file that is not what its name says.
    """
    if isinstance(source, Figure):
        buffer = io.BytesIO()
        # Neither the date nor random names: the same figure is the same page.
        with matplotlib.rc_context({"svg.hashsalt": "figure"}):
            without_math(source).savefig(buffer, format="svg", metadata={"Date": None})
        return _data_uri(buffer.getvalue(), _SVG)
    path = pathlib.Path(source)
    if path.suffix not in _MEDIA_TYPES:
        raise ValueError(f"{path}: a figure is a file {' or '.join(_MEDIA_TYPES)}")
    content = path.read_bytes()
    # A link may lead to another file of the reader's, which nobody would see in the page.
    if not content.startswith(_BEGINNINGS[path.suffix]):
        raise UserError(f"{path} is no {path.suffix} file; remove it, or make it anew")
    return _data_uri(content, _MEDIA_TYPES[path.suffix])


def description(path):
    """Returns what a figure's file says that it shows, "" where it says nothing.

    Args:
        path: pathlib.Path of a .png or .svg file, see `save_figure`.
    """
    if path.suffix == ".png":
        return Image.open(path).info.get("Description", "")
    found = ElementTree.parse(path).find(".//{http://purl.org/dc/elements/1.1/}description")
    return (found is not None and found.text) or ""


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
