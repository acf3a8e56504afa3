"""What the subcommands ask of their arguments."""


def check_least(args, least):
    """Raises ValueError where an argument is below the least that it may be.

    Args:
        args: Parsed arguments.
        least: Dictionary, name of an argument -> number.
    """
    for name, value in least.items():
        if getattr(args, name) < value:
            raise ValueError(
                f"--{name.replace('_', '-')} must be at least {value}. "
                f"Received: {getattr(args, name)}"
            )
