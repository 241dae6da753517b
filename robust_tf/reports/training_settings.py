"""Every flag and version of a training, folded away on a report page."""


def add_training_settings(page, name, recorded, command):
    """Adds the settings of a run.

    Args:
        page: `Page`.
        name: str, of the run.
        recorded: `RecordedRun` with results.
        command: str, the module that trained it.
    """
    config = recorded.config
    with page.details(f"{name}: settings and versions"):
        page.code(f"python -m {command} --flagfile={recorded.path / 'flags.txt'}")
        versions = {"commit": config.get("commit"), **config["versions"]}
        versions["weights, SHA-256"] = recorded.results[-1].weights_hash
        page.table(("of the training", "version"), _lines(versions))
        page.table(("flag", "value"), _lines(config["flags"]))


def _lines(values):
    return [(name, "-" if value is None else str(value)) for name, value in values.items()]
