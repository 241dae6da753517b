"""What a training method is called: in the paper, and in the name of a folder."""

from hm_tf.triplets import SYMBOLS, destinations

TITLES = {"none": "N/A", "est": "EST", "act": "ACT", "minmax": "MinMax", "ses": "SES"}

# Settings that the paper has in one form only; older runs do not name them.
USUAL = {
    "ics_triplet": "a,a~,p",
    "norm": "linf",
    "loss": "triplet",
    "distance": "euclidean",
    "inner_attack": "pgd",
    "free": None,
}


def title_of(flags):
    """Returns the name of a method as the paper prints it, e.g. HM[S,gLGA]&ICS.

    The settings that the paper does not have follow.

    Args:
        flags: dict of the flags of a run, as config.json keeps them.
    """
    symbol = SYMBOLS[flags["source"]]
    if flags["defense"] == "hm":
        ics = "&ICS" if flags["ics"] else ""
        name = f"HM[{symbol},{destinations.symbol(flags['destination'])}]{ics}"
    else:
        name = f"{TITLES[flags['defense']]}[{symbol}]"
    own = [f"{key}={flags[key]}" for key in USUAL if flags.get(key, USUAL[key]) != USUAL[key]]
    return " ".join([name, *own])
