"""python tools/serving_smoke.py DIR: sends every endpoint of a SavedModel good and bad requests.

Needs TensorFlow alone, not this project. The table has one line per endpoint: how many malformed
requests were refused, how many were answered (a fault), the growth of the process's memory, and the
latency of good requests. Ends with 1 if a malformed request was answered or a good one refused,
or if good answers have other bits after the malformed requests.
"""

import argparse
import os
import pathlib
import struct
import sys
import time
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

SIDE = 30_000  # of an image that would take 2.7 GB when decoded
BATCHES = (1, 64)


def main():
    flags = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument("saved_model", help="folder with saved_model.pb, or of the versions")
    flags.add_argument("--malformed", type=int, default=200, help="requests per endpoint")
    flags.add_argument("--repeats", type=int, default=50, help="good requests per latency")
    flags.add_argument("--seed", type=int, default=0, help="seed of the requests")
    given = flags.parse_args()
    path = newest(pathlib.Path(given.saved_model))
    if not (path / "saved_model.pb").exists():
        print(f"error: {path} holds no SavedModel, nor a folder of versions", file=sys.stderr)
        return 2
    loaded = tf.saved_model.load(str(path))
    shape = image_shape(loaded.signatures)
    lines = [
        line_of(name, signature, shape, given)
        for name, signature in sorted(loaded.signatures.items())
        if name != "serve"  # the same function as serving_default
    ]
    print("endpoint         refused  answered  memory MB  same bits  ms at 1  ms at 64")
    for name, refused, answered, memory, same, *latencies in lines:
        times = "  ".join(f"{1000 * seconds:7.2f}" for seconds in latencies)
        print(f"{name:<16} {refused:7}  {answered:8}  {memory:9.1f}  {same!s:>9}  {times}")
    return int(any(answered or not same for _, _, answered, _, same, *_ in lines))


def newest(path):
    """The folder itself, or its version of the highest number."""
    found = (file.parent for file in path.glob("*/saved_model.pb"))
    versions = [folder for folder in found if folder.name.isdecimal()]
    if (path / "saved_model.pb").exists() or not versions:
        return path
    return max(versions, key=lambda folder: int(folder.name))


def image_shape(signatures):
    """(h, w, c), from an endpoint that takes images."""
    for signature in signatures.values():
        (spec,) = signature.structured_input_signature[1].values()
        if spec.shape.rank == 4:
            return tuple(spec.shape[1:])
    sys.exit("no endpoint takes images")


def line_of(name, signature, shape, given):
    """Sends one endpoint all its requests; returns its line of the table."""
    ((key, spec),) = signature.structured_input_signature[1].items()
    draw = np.random.default_rng(given.seed)
    good = tf.constant(good_input(spec, shape, 3, draw))
    before = bits(signature(**{key: good}))
    counts, memory = {True: 0, False: 0}, None
    for number in range(given.malformed):
        counts[refuses(signature, key, malformed(spec, shape, draw), name)] += 1
        if number == given.malformed // 10:
            memory = resident()  # what is allocated once is there
    memory = resident() - memory if memory else 0.0
    same = bits(signature(**{key: good})) == before
    times = [latency(signature, key, good_input(spec, shape, n, draw), given) for n in BATCHES]
    return name, counts[True], counts[False], memory, same, *times


def good_input(spec, shape, count, draw):
    pixels = draw.integers(0, 256, (count, *shape), np.uint8)
    if spec.dtype == tf.string:
        return np.array([tf.io.encode_png(image).numpy() for image in pixels], object)
    return pixels if spec.dtype == tf.uint8 else pixels.astype(np.float32) / np.float32(255)


def refuses(signature, key, value, name):
    """Whether a malformed request ends in an error; prints one that was answered."""
    try:
        signature(**{key: value})
    except (tf.errors.OpError, TypeError, ValueError):
        return True
    print(f"{name} answered {value.dtype.name} {value.shape}: {str(value.numpy())[:200]}")
    return False


def bits(outputs):
    # The bytes of an array of strings would be the addresses of its objects.
    arrays = {name: value.numpy() for name, value in outputs.items()}
    return {
        name: array.tolist() if array.dtype == object else array.tobytes()
        for name, array in arrays.items()
    }


def resident():
    """Resident memory of this process in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_bytes().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def latency(signature, key, value, given):
    """Median seconds of a good request."""
    value, times = tf.constant(value), []
    for _ in range(given.repeats + 3):
        start = time.perf_counter()
        outputs = signature(**{key: value})
        next(iter(outputs.values())).numpy()
        times.append(time.perf_counter() - start)
    return float(np.median(times[3:]))


def malformed(spec, shape, draw):
    """A tensor that the endpoint must refuse, of a kind drawn at random."""
    if spec.dtype == tf.string:
        return tf.constant(*malformed_files(shape, draw))
    dtype = spec.dtype.as_numpy_dtype
    images = good_input(spec, shape, int(draw.integers(1, 5)), draw)
    kinds = [*wrong_shapes(images), *wrong_dtypes(images, dtype)]
    if spec.dtype == tf.float32:
        kinds += [wrong_value(images, draw) for _ in range(len(kinds))]
    return tf.constant(kinds[draw.integers(len(kinds))])


def wrong_shapes(images):
    grown = np.concatenate([images, images[:, :1]], axis=1)
    return [
        *(images[0], images[0, 0], images[0, 0, 0, 0], images[None], images[:0], images.ravel()),
        *(images[:, 1:], images[:, :, 1:], grown, images[..., :0], images[:, :0]),
        *(np.concatenate([images] * 2, axis=-1), np.concatenate([images] * 2, axis=2)),
    ]


def wrong_dtypes(images, dtype):
    others = (np.float64, np.float16, np.int32, np.int64, np.uint8, np.float32, bool)
    found = [images.astype(other) for other in others if other != dtype]
    return [*found, np.array(["an image"] * len(images), object)]


def wrong_value(images, draw):
    images = images.copy()
    values = (np.nan, np.inf, -np.inf, -1e-6, -1.0, 1.001, 255.0, 1e9, 3e38)
    places = draw.integers(images.size, size=draw.integers(1, 4))
    images.flat[places] = values[draw.integers(len(values))]
    return images


def malformed_files(shape, draw):
    """(value, dtype) of a request to an endpoint of encoded images."""
    pixels = draw.integers(0, 256, shape, np.uint8)
    good = tf.io.encode_png(pixels).numpy()
    noise = draw.bytes(int(draw.integers(1, 400)))
    cut = int(draw.integers(1, len(good) - 12))
    photo = tf.io.encode_jpeg(draw.integers(0, 256, (16, 16, 3), np.uint8)).numpy()
    files = [
        *(b"", b"not an image", noise, good[:cut], good[:8] + noise, b"\xff\xd8\xff" + noise),
        *(photo[: int(draw.integers(4, len(photo) // 2))], b"GIF89a" + noise, b"BM" + noise),
        *(b"RIFF\x20\0\0\0WEBPVP8X" + noise, b"RIFF\x20\0\0\0WEBPVP8 " + noise),
        *(png_header(good, SIDE, SIDE), png_header(good, 2**31 - 1, 2**31 - 1), bomb()),
        *(png_header(good, 0, 8), b"%PDF-1.7" + noise, b"<svg xmlns='x'/>"),
    ]
    bad = files[draw.integers(len(files))]
    batches = [
        *([bad], [good, bad], [bad] * 3, [bad, good]),
        *(bad, [[bad]], []),
    ]
    if draw.random() < 0.1:
        return 0.5 * np.ones((2, *shape), np.float32), tf.float32
    return batches[draw.integers(len(batches))], tf.string


def png_header(data, width, height):
    """A PNG file that says it has another size, with a right checksum."""
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def bomb():
    """A PNG file of a few KB whose pixels, 30,000 x 30,000, would take gigabytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    packed = b"IDAT" + zlib.compress(bytes(2**20))
    chunks = [header, packed, b"IEND"]
    framed = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


if __name__ == "__main__":
    sys.exit(main())
