"""The rules between flags that the commands of both papers have."""

import math

from robust_tf.errors import UserError, require_pixel_change

# What is evaluated, searched or attacked.
PLACES = ("workdir", "saved_model", "model")
# A run has its own data, and its own network.
OF_A_MODEL = ("dataset", "images", "class_names", "input_range", "endpoint", "output")


def require(options, **flags):
    """Raises the `UserError` of a flag without a value.

    Args:
        options: `Options`.
        **flags: name of a flag -> what a user reads after "--name is required".
    """
    for name, more in flags.items():
        if not options.values[name]:
            raise UserError(f"--{name} is required{more}")


def place_of(options):
    """Returns the name of the one flag among `PLACES` that was given; `UserError` without one."""
    given = [name for name in PLACES if options.values[name] is not None]
    if len(given) > 1:
        raise UserError(f"--{given[0]} and --{given[1]} are two places of a network; give one")
    if not given:
        raise UserError(
            "--workdir=RUN is required, the folder of a finished run, or else --saved_model=DIR or "
            "--model=FILE.keras"
        )
    return given[0]


def check_place(options):
    """Raises the `UserError` of a flag that the named network does not read."""
    if options.workdir and not (options.saved_model or options.model):
        refuse_unread(options, OF_A_MODEL, "--workdir")
    if options.model:  # a file has no signature
        refuse_unread(options, ("endpoint",), "--model")


def settle_schedule(options):
    """Returns the options with one learning rate and no boundaries where a schedule takes those.

    Raises:
        UserError: boundaries that do not ascend or do not fit the learning rates, or that were
            typed beside a schedule; a warm-up without end; an average without decay.
    """
    if options.schedule is not None:
        options = _without_stretches(options)
    rates, boundaries = options.learning_rates or [], options.boundaries
    if boundaries != sorted({0, *boundaries})[1:]:
        steps = ",".join(map(str, boundaries))
        raise UserError(f"--boundaries={steps}: the steps must be positive and ascend")
    # A shorter run with fewer boundaries than rates is a mistake, not a guess to make.
    if options.learning_rates is not None and len(rates) != len(boundaries) + 1:
        raise UserError(
            f"--learning_rates has {len(rates)} values and --boundaries {len(boundaries)}; "
            "there must be one rate more than boundaries"
        )
    if (options.warmup_steps or 0) >= (options.train_steps or float("inf")):
        raise UserError(
            f"--warmup_steps={options.warmup_steps} must be fewer than "
            f"--train_steps={options.train_steps}"
        )
    if options.ema is not None and not 0 < options.ema < 1:
        raise UserError(f"--ema={options.ema:g}: the decay lies between 0 and 1, e.g. 0.9995")
    return options


def _without_stretches(options):
    """A recipe's first rate is its largest; what was typed must fit."""
    typed_rates = options.learning_rates if "learning_rates" in options.typed else []
    typed_boundaries = options.boundaries if "boundaries" in options.typed else []
    if typed_boundaries or len(typed_rates) > 1:
        raise UserError(
            f"--schedule={options.schedule} takes one learning rate, its largest, and no "
            "--boundaries"
        )
    first = options.flags["learning_rates"] and options.flags["learning_rates"][:1]
    return options.changed(learning_rates=first, boundaries=[])


def check_profile(options):
    """Raises the `UserError` of --profile_steps that are not two steps of the run in order."""
    steps = options.profile_steps
    if steps and (len(steps) != 2 or not 1 <= steps[0] <= steps[1] <= options.train_steps):
        given = ",".join(map(str, steps))
        raise UserError(
            f"--profile_steps={given}: give the first and the last update, of 1 to "
            f"{options.train_steps}, e.g. 20,24"
        )


def unfinished_warmups(options, *names):
    """Returns a line for every flag among `names` whose growth the training does not finish."""
    counts = {name: options.values.get(name) or 0 for name in names}
    return tuple(
        f"--{name}={count}: the training ends before, at "
        f"{100 * options.train_steps / count:.1f} % of the full value"
        for name, count in counts.items()
        if count > options.train_steps
    )


def refuse_unread(options, names, chosen):
    """Raises the `UserError` of one of the flags `names` that was typed: nothing reads it.

    Args:
        options: `Options`.
        names: names of flags.
        chosen: the flag that makes them so, as a user types it.
    """
    if typed := sorted(options.typed.intersection(names)):
        raise UserError(f"--{typed[0]} does nothing with {chosen}; leave it out")


def check_pixels(options, *names):
    """Raises the `UserError` of a change of single pixels that is above 1."""
    for name in names:
        given = options.flags[name]
        require_pixel_change(f"--{name}={given}", given, options.values[name] or 0)


def check_steps(options):
    """Raises the `UserError` of steps of no length in a ball of another radius than 0."""
    for name, size in options.values.items():
        if name.endswith("step_size") and size == 0 and options.values["eps"] != 0:
            raise UserError(
                f"--{name}={options.flags[name]}: steps of no length attack nothing; give a size "
                "> 0, or leave it out"
            )


def fall_short(steps, size, eps):
    """Whether an attack of so many steps of one size stays inside a smaller ball than `eps`."""
    return steps * size < eps and not math.isclose(steps * size, eps)
