"""Rows of text as a table."""


def aligned(header, rows):
    """Returns aligned text for a terminal, one line per row.

    Args:
        header: tuple of str.
        rows: list of tuples of str.
    """
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown(header, rows):
    """Returns a Markdown table; arguments as of `aligned`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
