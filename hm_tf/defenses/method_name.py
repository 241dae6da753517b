"""What a training method is called: in the paper, and in the name of a folder."""

from hm_tf.triplets import SYMBOLS, destinations

TITLES = {"none": "N/A", "est": "EST", "act": "ACT", "minmax": "MinMax", "ses": "SES"}

# Settings that the paper has in one form only; older runs do not name them.
USUAL = {
    **{"ics_triplet": "a,a~,p", "norm": "linf", "loss": "triplet", "distance": "euclidean"},
    **{"inner_attack": "pgd", "free": None},
}


def title(defense, source, destination=None, ics=0.0):
    """Returns the name of a method as the paper prints it, e.g. HM[S,gLGA]&ICS.

    Args:
        defense: "hm" or a key of `TITLES`.
        source: name of a sampler.
        destination: name of a destination, of HM.
        ics: weight of the intra-class structure loss.
    """
    symbol = SYMBOLS[source]
    if defense != "hm":
        return f"{TITLES[defense]}[{symbol}]"
    return f"HM[{symbol},{destinations.symbol(destination)}]{'&ICS' if ics else ''}"


def title_of(flags):
    """Returns the `title` of a run, and the settings that the paper does not have.

    Args:
        flags: dict of its flags, as config.json keeps them.
    """
    name = title(*(flags[name] for name in ("defense", "source", "destination", "ics")))
    own = [f"{name}={flags[name]}" for name in USUAL if flags.get(name, USUAL[name]) != USUAL[name]]
    return " ".join([name, *own])
