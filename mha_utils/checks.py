"""Checks for the exercises: they say "Right", or name the mistake.

A check runs the learner's function on small arrays, beside the right function and
beside well-known wrong ones (`exercises`). Who answers as a wrong one does has made its
mistake. Exercises with many right answers are judged by what the answer does.
"""

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mha_utils.exercises import EXERCISES, Exercise


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
    print(_verdict(EXERCISES[exercise], answer))


def _verdict(exercise: Exercise | Callable[[Any], str], answer: Callable) -> str:
    """Run the answer; `exercise` is the judge of what it returns, if it is callable."""
    if not callable(answer):
        return "Give the check the function itself: its name, without ( )."
    given = []
    for arguments in exercise.inputs if isinstance(exercise, Exercise) else [()]:
        copies = [np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
        try:
            value = answer(*copies)
        # The learner's own, whatever it is; an endless loop is interrupted.
        except (Exception, KeyboardInterrupt) as error:
            return _raised(error, arguments)
        if value is None:
            return "Your turn: the function returns nothing yet."
        if not isinstance(exercise, Exercise):
            return exercise(value)
        if isinstance(value, (int, float)):
            value = np.asarray(value)
        if not isinstance(value, (np.ndarray, np.generic)) or (
            value.dtype.kind not in "fiu"
        ):
            kind = getattr(value, "dtype", type(value).__name__)
            return f"Not yet: return one NumPy array of real numbers, not {kind}."
        for number, (copy, array) in enumerate(zip(copies, arguments), start=1):
            if not np.array_equal(copy, array):
                return (
                    f"Not yet: your function changes its argument number {number} in "
                    f"place. Whoever called it still needs that array: make a new one."
                )
        given.append(np.asarray(value))
    assert isinstance(exercise, Exercise)  # a judge has spoken above
    if _agrees(given, exercise.right, exercise.inputs):
        return "Right."
    for message, wrong in exercise.mistakes.items():
        if _agrees(given, wrong, exercise.inputs, nan=0.0):
            return f"Not yet: {message}"
    return _first_difference(exercise, given)


def _raised(error: BaseException, arguments: tuple) -> str:
    """Name the exception and the last line of the learner's that raised it."""
    steps = [
        step
        for step in traceback.extract_tb(error.__traceback__)
        if step.filename != __file__ and "site-packages" not in step.filename
    ]
    line = f", in the line\n\n    {steps[-1].line}\n\n" if steps else ". "
    given = f"The function was given {_shapes(arguments)}." if arguments else ""
    if isinstance(error, KeyboardInterrupt):
        return f"Stopped: your function was still running{line}Does a loop never end?"
    return f"Not yet: {type(error).__name__}: {error}{line}{given}"


def _shapes(arguments: tuple) -> str:
    said = [
        f"an array of the shape {a.shape}" if isinstance(a, np.ndarray) else str(a)
        for a in arguments
    ]
    return ", ".join(said)


def _agrees(
    given: list[NDArray],
    function: Callable[..., NDArray],
    inputs: list[tuple],
    nan: float = np.nan,
) -> bool:
    """Whether `function` gives the same; NaN equals nothing, or what `nan` says.

    A row with nothing to look at is 0 in the package, and NaN to most learners.
    """
    with np.errstate(all="ignore"):  # a mistake may divide by zero
        wanted = [function(*arguments) for arguments in inputs]
    return all(
        a.shape == b.shape
        and np.allclose(
            np.nan_to_num(a, nan=nan), np.nan_to_num(b, nan=nan), 1e-4, 1e-6
        )
        for a, b in zip(given, wanted)
    )


def _first_difference(exercise: Exercise, given: list[NDArray]) -> str:
    for arguments, value in zip(exercise.inputs, given):
        expected = exercise.right(*arguments)
        start = f"Not yet: given {_shapes(arguments)}, "
        if value.shape != expected.shape:
            return f"{start}the result has shape {value.shape}, not {expected.shape}."
        if np.isnan(value).any():
            return f"{start}there is NaN in the result: from 0/0, or from inf - inf."
        if not np.allclose(value, expected, 1e-4, 1e-6):
            at = np.unravel_index(np.abs(value - expected).argmax(), value.shape)
            place = f"entry [{', '.join(str(int(i)) for i in at)}]" if at else "it"
            return (
                f"{start}{place} should be {expected[at]:.3f} and is {value[at]:.3f}."
            )
    raise AssertionError("all results are right")
