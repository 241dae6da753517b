"""The measurements of tools/benchmark.py, one file each."""
