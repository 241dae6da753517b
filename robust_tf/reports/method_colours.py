"""One colour per method, the same in every picture of both papers; the styles need no colour."""

from robust_tf.reports.panels import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILLION

# page.css has the same colours in this order.
COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY_BLUE, "#6B7280") + (
    *("#332288", "#882255", "#999933", "#117733"),  # Tol's, for the sweeps of HM's figures
)
# Told apart without colours too.
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1, 1, 1)), (0, (6, 2))) + (
    *((0, (8, 1)), (0, (2, 2)), (0, (4, 1, 2, 1)), (0, (1, 3))),
)
# Beginning of a method's name -> place in `COLOURS`; the proposals of both papers look alike.
METHODS = {
    "UM": 6,
    "N/A": 6,
    "AT": 0,
    "ACT": 0,
    "ALP": 2,
    "EST": 2,
    "TLA-RN": 4,
    "HM": 4,
    "TLA-SA": 5,
    "HM[S,gLGA]": 5,
    "ACT[S]": 7,
    "HM[S,M]": 1,
    "HM[S,-0.1]": 8,
    "HM[R,M]&ICS": 9,
    "HM[S,M]&ICS": 10,
    "TLA": 3,
    "HM[S,gLGA]&ICS": 3,
}


def places(names):
    """Returns dict name -> place in `COLOURS`; no place is taken twice while there are free ones.

    A name that begins like a method of the table has its place, an exact name before longer ones.

    Args:
        names: iterable of str, what one picture tells apart: "AT", "AT seed 1", "TLA (2 seeds)".
    """
    names = list(dict.fromkeys(names))
    taken = {}
    for name in sorted(names, key=lambda name: name not in METHODS):
        own = METHODS.get(max(filter(name.startswith, METHODS), key=len, default=""))
        free = [place for place in range(len(COLOURS)) if place not in taken.values()]
        spare = free[0] if free else len(taken) % len(COLOURS)
        taken[name] = own if own in free else spare
    return {name: taken[name] for name in names}


def looks(names):
    """Returns dict name -> dict of the colour and line style, as matplotlib takes them."""
    found = places(names)
    return {n: {"color": COLOURS[place], "linestyle": LINES[place]} for n, place in found.items()}
