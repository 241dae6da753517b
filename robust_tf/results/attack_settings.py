"""The hyper-parameters of an attack as records store them."""


def attack_settings(preset, num_classes):
    """Returns dict name -> value of an attack's hyper-parameters, ready for JSON.

    Args:
        preset: `Preset`; None for clean images, which have no settings.
        num_classes: number of classes, by which some attacks choose their loss.
    """
    if preset is None:
        return {}
    settings = {name: _plain(value) for name, value in vars(preset.attack).items()}
    del settings["threat_model"]
    if hasattr(preset.attack, "loss_name"):
        settings["loss"] = preset.attack.loss_name(num_classes)
    # Named only where it holds: stored settings without it stay valid.
    return {**settings, "rounded": True} if preset.rounded else settings


def _plain(value):
    """Objects as dicts of their attributes, down to what JSON takes."""
    if not hasattr(value, "__dict__"):
        return value
    return {name: _plain(inner) for name, inner in vars(value).items()}
