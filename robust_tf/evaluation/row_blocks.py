"""Rows of a matrix that is too large to be computed at once, block by block."""

BLOCK_BYTES = 2**27  # 128 MB


def row_blocks(rows, row_bytes):
    """Yields the slices of `rows` rows of `row_bytes` bytes each, at most `BLOCK_BYTES` in one."""
    size = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, rows, size):
        yield slice(start, start + size)
