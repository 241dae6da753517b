"""What a training ran under: versions, commit, device and precision."""

import pathlib
import platform
import subprocess

import keras
import tensorflow as tf

import robust_tf
from robust_tf.results import digest
from robust_tf.results.result import versions


def provenance():
    """Returns what this process trains under, a dict for JSON."""
    return {
        "versions": versions(),
        "commit": commit(),
        "device": device(),
        "precision": keras.config.dtype_policy().name,
    }


def segments(config):
    """Returns what a training ran under, from which update on: a list of dicts for JSON.

    Args:
        config: dict in config.json; an older version kept the last process of a run only.
    """
    if {"versions", "commit"} & config.keys():
        old = {"versions": config.get("versions", {}), "commit": config.get("commit")}
        return [{"after": 0, **old}]
    return config.get("segments", [])


def changes(before, now):
    """Returns what differs between two provenances, in words, a list of str.

    Args:
        before, now: dicts of `provenance`. What one of them lacks is unknown and does not differ.
    """
    before, now = (facts_of(one) for one in (before, now))
    return [
        f"{name} {before[name]}, now {now[name]}"
        for name in now
        if name in before and before[name] != now[name]
    ]


def in_words(segments):
    """Returns a line for each segment of a training, a list of str.

    Args:
        segments: dicts of `provenance` with "after", the updates before the segment.
    """
    ends = [f" to {segment['after']:,}" for segment in segments[1:]] + [" on"]
    return [
        f"updates {segment['after'] + 1:,}{end}: "
        + ", ".join(f"{name} {value}" for name, value in facts_of(segment).items())
        for segment, end in zip(segments, ends, strict=True)
    ]


def facts_of(segment):
    """Returns what a provenance knows, dict name -> str."""
    named = {name: segment.get(name) for name in ("commit", "device", "precision")}
    found = {**segment.get("versions", {}), **named}
    return {name: value for name, value in found.items() if value is not None}


def commit():
    """Returns the commit of the checkout this package runs from, None outside of one."""
    checkout = pathlib.Path(robust_tf.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def code(packages):
    """Returns the SHA-256 of the files of packages that stand beside this one, in hex.

    Unlike a commit it knows which changes a checkout has, and needs no git.

    Args:
        packages: names of packages.
    """
    root = pathlib.Path(robust_tf.__file__).parents[1]
    files = sorted(path for name in packages for path in (root / name).rglob("*.py"))
    return digest.of_json([[str(path.relative_to(root)), digest.of_file(path)] for path in files])


def device():
    """Returns the name of the accelerators, with their number, or of the processor."""
    found = tf.config.get_visible_devices("GPU")
    if not found:
        return _processor()
    name = tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU")
    return name if len(found) == 1 else f"{len(found)} x {name}"


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())
