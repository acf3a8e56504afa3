"""Where the children of `nasnet search` are trained, by its arguments.

Imports Keras only where it is needed: `nasnet --help` reads the arguments.
"""

import argparse
from typing import Any

# Flags of one engine alone, and what they are if they are not given.
LOCAL = {"memory_per_worker": None}
RAY = {"address": None, "cpus_per_trial": 1.0, "gpus_per_trial": 0.0}
NAMES = ("engine", "workers", "timeout", *LOCAL, *RAY)


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments to a parser."""
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="train children in processes of this machine, or on a Ray cluster",
    )
    group.add_argument(
        "--workers",
        type=int,
        help="children trained from scratch at a time, each in a process of "
        "about 1 GB; None: as many as there are cores, or GPUs",
    )
    group.add_argument(
        "--trials-per-process",
        type=int,
        default=10,
        help="children trained from scratch in one process before it is "
        "replaced; 0 trains them in the search's own process",
    )
    group.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="of a child; one that takes longer is ended and tried once more",
    )
    group.add_argument(
        "--memory-per-worker",
        type=float,
        metavar="GB",
        help="of a process here; one that takes more is ended, its child tried "
        "once more",
    )
    group.add_argument(
        "--address",
        help="of the Ray cluster, such as auto or ray://HOST:10001; None "
        "starts one here that no other machine can reach",
    )
    group.add_argument(
        "--cpus-per-trial",
        type=float,
        default=RAY["cpus_per_trial"],
        help="cores of a child on Ray",
    )
    group.add_argument(
        "--gpus-per-trial",
        type=float,
        default=RAY["gpus_per_trial"],
        help="GPUs of a child on Ray; 0.5 trains two on each",
    )


def check_engine(args: argparse.Namespace) -> None:
    """Refuses flags that do not go together.

    Raises:
        ValueError: With the flag.
    """
    apart = args.evaluator == "scratch" and args.trials_per_process
    wanted = {
        "--workers above 1": (args.workers or 1) > 1,
        "--timeout": args.timeout is not None,
        "--memory-per-worker": args.memory_per_worker is not None,
        "--engine ray": args.engine == "ray",
    }
    for flag, given in wanted.items():
        if given and not apart:
            raise ValueError(
                f"{flag} is for children trained from scratch, in processes of "
                f"their own. Received: --evaluator {args.evaluator} "
                f"--trials-per-process {args.trials_per_process}"
            )
    others = LOCAL if args.engine == "ray" else RAY
    for name, usual in others.items():
        if getattr(args, name) != usual:
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"{flag} is for the other engine. Received: --engine "
                f"{args.engine} {flag} {getattr(args, name)}"
            )


class Engine:
    """Puts evaluators on the engine of the arguments.

    Args:
        args: The parsed arguments.

    Attributes:
        workers: Integer, the children at a time.
    """

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.workers = self._workers()

    def _workers(self):
        args = self.args
        if args.evaluator == "shared" or not args.trials_per_process:
            return 1
        if args.engine == "ray":
            from nasnet_keras.search.engines.on_ray import connect, room_for

            connect(args.address)
            return args.workers or room_for(
                args.cpus_per_trial, args.gpus_per_trial
            )
        from nasnet_keras.search.planning import plan_workers

        return args.workers or plan_workers()

    def __call__(self, evaluator: Any, limited: bool = True) -> Any:
        """Returns an `Evaluator` that runs another one on the engine.

        Args:
            evaluator: `Evaluator`.
            limited: Whether its children are those that `--timeout` is for.
        """
        args = self.args
        timeout = args.timeout if limited else None
        if not args.trials_per_process:
            return evaluator
        if args.engine == "ray":
            from nasnet_keras.search.engines.on_ray import OnRay

            return OnRay(
                evaluator,
                args.address,
                self.workers,
                args.trials_per_process,
                args.cpus_per_trial,
                args.gpus_per_trial,
                timeout,
            )
        from nasnet_keras.search.engines.local import Isolated

        return Isolated(
            evaluator,
            args.trials_per_process,
            workers=self.workers,
            memory=args.memory_per_worker,
            timeout=timeout,
        )
