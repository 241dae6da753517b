"""Rows that are timed in turn, and ratios of them."""

import os
import time

import numpy as np

from robust_tf.reports.table import markdown

# Other work on the machine changes CPU time little.
CLOCKS = {"CPU time": time.process_time, "wall time": time.perf_counter}


def measure(rows, rounds, warmups=2, clock=time.perf_counter, calls=1):
    """Times every row once a round, in turn.

    Args:
        rows: dict of name -> function without arguments; it returns when its work is done.
        rounds: int.
        warmups: calls before the first round; they compile.
        clock: function that returns seconds.
        calls: calls of a row, one after the other, in one timing. Rows of less than a millisecond
            need several: the row before leaves the cache cold.

    Returns:
        dict of name -> float [rounds], seconds of one call.
    """
    for run in rows.values():
        for _ in range(warmups):
            run()
    seconds = {name: np.empty(rounds) for name in rows}
    for number in range(rounds):
        for name, run in rows.items():
            start = clock()
            for _ in range(calls):
                run()
            seconds[name][number] = (clock() - start) / calls
    return seconds


def quartiles(values):
    """Median and quartiles of float [rounds] as text."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def conditions(rounds):
    """How it was measured, as a line."""
    return f"medians (quartiles) of {rounds} rounds, {os.cpu_count()} processors"


def show_times(seconds):
    """Prints the result of `measure`."""
    rows = [
        (name, *(f"{1000 * value:.1f}" for value in np.percentile(row, [50, 0, 100])))
        for name, row in seconds.items()
    ]
    print(f"\n{markdown(('', 'ms, median', 'least', 'most'), rows)}")


def show_ratios(rows):
    """Prints ratios.

    Args:
        rows: list of (name, float [rounds], goal); the goal is a text, "" where there is none.
    """
    rows = [(name, quartiles(values), goal) for name, values, goal in rows]
    print(f"\n{markdown(('ratio', 'median (quartiles)', 'goal'), rows)}")
