"""Checks for the exercises: they say "Right", or name the mistake.

A check runs the learner's function on small arrays, beside the right function and
beside well-known wrong ones (`exercises`). A function that gives the same as a wrong
one makes its mistake. Exercises with many right answers are judged by what the answer
does.
"""

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from mha_utils.exercises import EXERCISES
from mha_utils.exercises.kit import NotYetError, describe


def check(exercise: str, answer: Callable[..., Any]) -> None:
    """Print whether `answer` solves the exercise, or what is wrong with it.

    Parameters
    ----------
    exercise : str
        Its name in `EXERCISES`.
    answer : callable
        The learner's function. It gets copies of all arrays.

    Raises
    ------
    ValueError
        If there is no exercise of this name.
    """
    if exercise not in EXERCISES:
        raise ValueError(f"no exercise {exercise!r}; there is {', '.join(EXERCISES)}")
    if not callable(answer):
        print("Give the check the function itself: its name, without ( ).")
        return
    try:
        print(EXERCISES[exercise].verdict(lambda *given: _run(answer, *given)))
    except NotYetError as reason:
        print(reason)


def _run(answer: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the learner's function does, or refuse in words to go on."""
    copies = [np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        value = answer(*copies)
    # The learner's own, whatever it is; an endless loop is interrupted.
    except (Exception, KeyboardInterrupt) as error:
        raise NotYetError(_raised(error, arguments)) from error
    if value is None:
        raise NotYetError("Your turn: the function returns nothing yet.")
    for number, (copy, array) in enumerate(zip(copies, arguments), start=1):
        if not np.array_equal(copy, array):
            raise NotYetError(
                f"Not yet: your function changes its argument number {number} in "
                f"place. Whoever called it still needs that array: make a new one."
            )
    return value


def _raised(error: BaseException, arguments: tuple) -> str:
    """Name the exception and the last line of the learner's that raised it."""
    steps = [
        step
        for step in traceback.extract_tb(error.__traceback__)
        if step.filename != __file__ and "site-packages" not in step.filename
    ]
    line = f", in the line\n\n    {steps[-1].line}\n\n" if steps else ". "
    given = f"The function was given {describe(arguments)}." if arguments else ""
    if isinstance(error, KeyboardInterrupt):
        return f"Stopped: your function was still running{line}Does a loop never end?"
    return f"Not yet: {type(error).__name__}: {error}{line}{given}"
