"""The model card `README.md` of a SavedModel, a page of Markdown made of its sidecar."""

from robust_tf.checks.sanity_checks import GREEN, RED
from robust_tf.reports.table import markdown

NAME = "README.md"


def model_card(entries):
    """Returns the text of the model card.

    Args:
        entries: dict, see `robust_tf.export.sidecar.sidecar`.
    """
    sections = (_head, _endpoints, _results, _checks, _further, _verification, _origin)
    return "\n\n".join(filter(None, (section(entries) for section in sections))) + "\n"


def verification_lines(verification):
    """Returns sentences on the entry "verification" of a sidecar."""
    return [
        "reloaded without this project: largest difference "
        f"{verification['largest_difference']:.1e}, gradients equal",
        _outcome(verification["attack"]),
    ]


def write_model_card(path, entries):
    """Writes the model card into the folder of a SavedModel, a pathlib.Path."""
    (path / NAME).write_text(model_card(entries), "utf-8")


def _head(entries):
    classes, shape = entries["classes"], "x".join(map(str, entries["image_shape"]))
    red = sum(check["status"] == RED for check in entries["checks"])
    doubt = f"\n\n**{red} of its checks are red: do not rely on its robustness.**" if red else ""
    return (
        f"# {entries['name']}\n\n"
        f"Trained with {entries['method'] or 'an unrecorded method'} on "
        f"{entries['dataset']['name']}. Images are {shape}, float values lie in [0, 1].\n\n"
        f"Classes ({len(classes)}): {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}"
        f"{doubt}"
    )


def _endpoints(entries):
    rows = [
        (name, _tensor(e["input"]), ", ".join(e["outputs"]), e["about"])
        for name, e in entries["endpoints"].items()
    ]
    table = markdown(("endpoint", "input", "outputs", "what it does"), rows)
    refused = (
        "Another shape or dtype, values that are not finite or out of range, an empty batch, "
        "broken or huge files are refused with one line."
    )
    return f"## Endpoints\n\n{table}\n\n{refused}"


def _results(entries):
    rows = [
        (_attack(result), result["metric"], _value(result), str(result["n"]), _ball(result))
        for result in entries["results"]
    ]
    if not rows:
        return "## Results\n\nNone: the run was not evaluated."
    return "## Results\n\n" + markdown(("attack", "metric", "value", "n", "threat model"), rows)


def _checks(entries):
    checks = sorted(entries["checks"], key=lambda check: check["status"] == GREEN)
    if not checks:
        return "## Checks of the robustness\n\nNone: evaluate with `--checks=full`."
    rows = [(check["status"], check["name"], check["figure"]) for check in checks]
    return "## Checks of the robustness\n\n" + markdown(("status", "check", "figure"), rows)


def _further(entries):
    found = {name: entries[name] for name in ("detector", "gallery") if entries.get(name)}
    return "\n\n".join(f"## {name.title()}\n\n{_listed(of)}" for name, of in found.items())


def _verification(entries):
    lines = verification_lines(entries["verification"])
    return "## Verification of this artefact\n\n" + "\n".join(f"- {line}" for line in lines)


def _outcome(attack):
    """A sentence on the dict of `compare_outcomes`."""
    low, high = attack["interval"]
    return (
        f"attacked itself: {attack['title']} {100 * attack['value']:.2f} % "
        f"({100 * low:.2f} to {100 * high:.2f}) of {attack['n']} test images, the network "
        f"{100 * attack['correct_of_the_network'] / attack['n']:.2f} %, other outcomes: "
        f"{attack['differing_outcomes']}"
    )


def _origin(entries):
    facts = {
        "data": entries["dataset"]["source"],
        "commit of the training": entries["training"]["commit"],
        "weights (SHA-256)": entries["weights_hash"],
        "versions": ", ".join(f"{name} {number}" for name, number in entries["versions"].items()),
        "licence": entries["licence"],
    }
    return f"## Origin\n\n{_listed(facts)}"


def _attack(result):
    """A member of an ensemble attacks only images that are correct after the earlier members."""
    after = ", ".join(result["after"])
    return f"{result['attack']} after {after}" if after else result["attack"]


def _value(result):
    if result["correct"] is None:
        doubt = " ({:.4g} to {:.4g})".format(*result["interval"]) if result["interval"] else ""
        spread = "" if result["spread"] is None else f" ± {result['spread']:.2g}"
        return f"{result['value']:.4g}{doubt}{spread}"
    low, high = result["interval"]
    doubts = ", doubted: see model.json" if result["warnings"] else ""
    return f"{100 * result['value']:.2f} % ({100 * low:.2f} to {100 * high:.2f}){doubts}"


def _ball(result):
    ball = result["threat_model"]
    return f"{ball['norm']}, eps {ball['eps']:.4g}" if ball else "-"


def _tensor(spec):
    shape = ", ".join("n" if side is None else str(side) for side in spec["shape"])
    return f"`{spec['name']}`: {spec['dtype']} [{shape}]"


def _listed(facts):
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items())
