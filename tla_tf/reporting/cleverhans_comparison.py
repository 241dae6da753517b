"""The attacks of cleverhans beside ours, made of stored results only."""

import re

# cleverhans' attack -> ours of the same kind; fgm, bim, pgd and mim take the same steps too.
COUNTERPARTS = {
    "fgm": "fgsm",
    "bim": "bim",
    "pgd": "pgd",
    "madry": "pgd",
    "mim": "mim",
    "cw2": "fab-t",
    "spsa": "square",
}
MIM = "cleverhans' mim normalises gradients, ours only with --mim_form=l1."


def counterpart(name):
    """Returns the name of our attack for "cleverhans-bim7" and the like, None for other names.

    What comes after the steps, as in "cleverhans-bim7-rounded", stays.
    """
    match = re.fullmatch(r"cleverhans-(cw2|[a-z]+)(.*)", name)
    return COUNTERPARTS[match[1]] + match[2] if match else None


def cleverhans_comparison(results):
    """Returns lines of text, one per attack of cleverhans whose counterpart is in `results` too."""
    accuracy = {result.column: 100 * result.value for result in results}
    # The form of our momentum, as in "mim7-l1", is in the name.
    columns = {re.sub("-(l1|ema)", "", column): column for column in accuracy}
    lines = []
    for name, theirs in accuracy.items():
        ours = columns.get(counterpart(name))
        if ours is not None:
            lines.append(
                f"{name} {theirs:.2f} %, our {ours} {accuracy[ours]:.2f} %, "
                f"difference {accuracy[ours] - theirs:+.2f} points"
            )
    return "\n".join([*lines, MIM]) if lines else ""
