"""Some rows of a data set, which may be sorted by class."""

import numpy as np


def spread_rows(rows: np.ndarray, count: int | None) -> np.ndarray:
    """Returns `count` of the int [m] `rows`, spread evenly; all where there are no more."""
    if count is None or len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
