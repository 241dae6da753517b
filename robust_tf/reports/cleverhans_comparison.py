"""The attacks of cleverhans beside ours, made of stored results only."""

import re

# cleverhans' attack -> ours with the same steps and step size; all of these start at the image.
COUNTERPARTS = {"fgm": "fgsm", "bim": "bim", "pgd": "bim", "mim": "mim"}
LEFT_OUT = (
    "cleverhans 4.0.0 cannot run carlini_wagner_l2 and spsa on Keras 3 (they call what its "
    "optimizers no longer have); they are left out. Its mim normalises gradients, ours does not."
)


def counterpart(name):
    """Returns the name of our attack for "cleverhans-bim7" and the like, None for other names."""
    match = re.fullmatch(r"cleverhans-([a-z]+)(\d*)", name)
    return COUNTERPARTS[match[1]] + match[2] if match else None


def cleverhans_comparison(results):
    """Returns lines of text, one per attack of cleverhans whose counterpart is in `results` too."""
    accuracy = {result.column: 100 * result.value for result in results}
    lines = []
    for name, theirs in accuracy.items():
        ours = accuracy.get(counterpart(name))
        if ours is not None:
            lines.append(
                f"{name} {theirs:.2f} %, our {counterpart(name)} {ours:.2f} %, "
                f"difference {ours - theirs:+.2f} points"
            )
    return "\n".join([*lines, LEFT_OUT]) if lines else ""
