"""The attacks of cleverhans beside ours, made of stored results only."""

import re

# cleverhans' attack -> ours with the same steps and step size; all of these start at the image.
COUNTERPARTS = {"fgm": "fgsm", "bim": "bim", "pgd": "bim", "mim": "mim"}
LEFT_OUT = (
    "cleverhans 4.0.0 cannot run carlini_wagner_l2 and spsa on Keras 3 (they call what its "
    "optimizers no longer have); they are left out. Its mim normalises gradients, ours only with "
    "--mim_form=l1."
)


def counterpart(name):
    """Returns the name of our attack for "cleverhans-bim7" and the like, None for other names.

    What comes after the steps, as in "cleverhans-bim7-rounded", stays.
    """
    match = re.fullmatch(r"cleverhans-([a-z]+)(.*)", name)
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
            # Its random start cannot be repeated, see CleverhansAttack.
            same = " (starts at the image, which is bim)" if "-pgd" in name else ""
            lines.append(
                f"{name}{same} {theirs:.2f} %, our {ours} {accuracy[ours]:.2f} %, "
                f"difference {accuracy[ours] - theirs:+.2f} points"
            )
    return "\n".join([*lines, LEFT_OUT]) if lines else ""
