"""The progress bar of work on many images."""

import sys

from tqdm import tqdm

IN_A_LOG = 60.0  # seconds between two lines of progress that nobody watches
SOON = 5.0  # seconds of reading that need no bar


class ProgressBar(tqdm):
    """Says that an attack is compiled; the estimate leaves out the first batch, which waits for it.

    Args:
        count: Number of images; None: unknown.
        title: Name of the attack, or of other work.
        compiling: Whether the first batch waits for the compiler.
        silent: Whether nothing is shown.
        unit: Name of the counted things.
        delay: Seconds of work that need no bar.
    """

    def __init__(self, count, title, *, compiling=False, silent=False, unit="image", delay=0):
        self._first = None  # images and seconds of the first batch
        self._watched = is_watched(sys.stderr)
        # With miniters tqdm's own thread, which looks for late bars, repeats no line.
        seldom = {"mininterval": delay or IN_A_LOG, "miniters": 1}
        how = {} if self._watched else {"file": _Lines(sys.stderr), **seldom}
        how["postfix"] = "compiling" if compiling else None  # shown from the first state on
        super().__init__(total=count, desc=title, unit=unit, disable=silent, delay=delay, **how)

    def name(self, text):
        """Shows the name of the present attack; a log gets it with its next line."""
        self.set_postfix_str(text, refresh=self._watched)

    def update(self, n=1):
        shown = super().update(n)
        if shown and not self._watched:
            self.mininterval = IN_A_LOG
        if self._first is None and not self.disable:
            self._first = self.n, self._time() - self.start_t
            self.set_postfix_str("", refresh=False)
        return shown

    @property
    def format_dict(self):
        found = super().format_dict
        if self._first and found["n"] > self._first[0]:
            images, seconds = self._first
            found["rate"] = (found["n"] - images) / max(found["elapsed"] - seconds, 1e-9)
        return found


def watched(items, count, title, unit="image"):
    """Yields the items of an iterable, under a bar where that takes longer than `SOON`."""
    with ProgressBar(count, title, unit=unit, delay=SOON) as bar:
        for item in items:
            yield item
            bar.update(1)


class _Lines:
    """A log in which each state of a bar is a line, and so is a warning that comes between."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        if line := text.strip():  # the bar goes back to the start of its line, and ends it
            self._stream.write(f"{line}\n")

    def __getattr__(self, name):
        return getattr(self._stream, name)


def is_watched(stream):
    """Whether a text stream is a terminal, or a notebook shows it; a file or a pipe is a log."""
    terminal = hasattr(stream, "isatty") and stream.isatty()
    return terminal or "ipykernel" in sys.modules
