"""Checks for the exercises: they say "Right", or name the mistake.

A check runs the learner's function on small arrays, beside the right function and
beside well-known wrong ones (`exercises`). A function that gives the same as a wrong
one makes its mistake. Exercises with many right answers are judged by what the answer
does.
"""

import re
import sys
import traceback
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import numpy as np

from mha_utils.exercises import EXERCISES
from mha_utils.exercises.kit import (
    PAIRS,
    Exercise,
    Judged,
    NotYetError,
    describe,
    holds_pairs,
)


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
    task = _exercise(exercise)
    closed = {function.__code__: _name(function) for function in task.closed}
    print(_verdict(task, answer, closed))


def yours_or_ours(exercise: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return the learner's function if it is right, else the package's; say which.

    For what comes after an exercise, so that it works before the exercise is done.

    Parameters
    ----------
    exercise : str
        Its name in `EXERCISES`; it is one with one right answer.
    answer : callable
        The learner's function.

    Raises
    ------
    ValueError
        If there is no exercise of this name.
    """
    task = _exercise(exercise)
    assert isinstance(task, Exercise), exercise
    said = _verdict(task, answer, {})
    name = getattr(answer, "__name__", "your answer")
    if said.startswith("Right"):
        print(f"{name} is right, so it is used here.")
        return answer
    print(f"{said}\nThe package's function stands in for {name}.")
    return task.right


def _exercise(name: str) -> Exercise | Judged:
    if name not in EXERCISES:
        raise ValueError(f"no exercise {name!r}; there is {', '.join(EXERCISES)}")
    return EXERCISES[name]


def _verdict(
    task: Exercise | Judged, answer: Callable[..., Any], closed: dict[CodeType, str]
) -> str:
    if not callable(answer):
        return "Give the check the function itself: its name, without ( )."
    try:
        return task.verdict(lambda given: _run(answer, given, closed))
    except NotYetError as reason:
        return str(reason)


def _name(function: Callable) -> str:
    return function.__qualname__.removesuffix(".__init__")


def _run(
    answer: Callable[..., Any], given: dict[str, Any], closed: dict[CodeType, str]
) -> Any:
    """Return what the learner's function does, or refuse in words to go on.

    A call of code in `closed` is refused, by its name there, however it was reached.
    """
    own = getattr(answer, "__globals__", None)
    empty: list[CodeType] = []  # the learner's other functions that returned None

    def watch(frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        if event == "call" and code in closed:
            raise NotYetError(
                f"Not yet: write it yourself: this exercise is about what "
                f"{closed[code]} does."
            )
        is_other = frame.f_globals is own and code is not answer.__code__
        # A generator that ends returns None, too; its name is <genexpr>.
        if (
            event == "return"
            and result is None
            and is_other
            and code.co_name.isidentifier()
        ):
            empty.append(code)

    copies = {
        name: np.copy(a) if isinstance(a, np.ndarray) else a
        for name, a in given.items()
    }
    watching = sys.getprofile()
    try:
        sys.setprofile(watch)
        value = answer(*copies.values())
    except NotYetError:
        raise
    # The learner's own, whatever it is; an endless loop is interrupted.
    except (Exception, KeyboardInterrupt) as error:
        raise NotYetError(_raised(error, answer, given, empty)) from error
    finally:
        sys.setprofile(watching)
    if value is None:
        also = f" {_returned_nothing(empty[-1])}" if empty else ""
        raise NotYetError(f"Your turn: the function returns nothing yet.{also}")
    for name, array in given.items():
        if not np.array_equal(copies[name], array):
            raise NotYetError(
                f"Not yet: your function changes its argument {name} in "
                f"place. Whoever called it still needs that array: make a new one."
            )
    return value


def _returned_nothing(code: CodeType) -> str:
    return f"Your {code.co_name} returned nothing: is it still to be written?"


def _raised(
    error: BaseException,
    answer: Callable[..., Any],
    given: dict[str, Any],
    empty: list[CodeType],
) -> str:
    """Name the exception, the last line of the learner's that raised it, and why."""
    steps = [
        (step, frame)
        for (frame, _), step in zip(
            traceback.walk_tb(error.__traceback__),
            traceback.extract_tb(error.__traceback__),
        )
        if step.filename != __file__ and "site-packages" not in step.filename
    ]
    line = f", in the line\n\n    {steps[-1][0].line}\n\n" if steps else ". "
    if isinstance(error, KeyboardInterrupt):
        return f"Stopped: your function was still running{line}Does a loop never end?"
    said = [f"The function was given {describe(given)}."] if given else []
    raised = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    said += [_returned_nothing(code) for code in empty if code not in raised][-1:]
    if steps:
        step, frame = steps[-1]
        said += _hints(str(error), step.line or "", frame.f_locals)
        if frame.f_code is getattr(answer, "__code__", None):
            said += _overwritten(frame, given)
    return f"Not yet: {type(error).__name__}: {error}{line}{' '.join(said)}"


def _hints(message: str, line: str, local: dict[str, Any]) -> list[str]:
    """Say what is known about an error, from its message and the line that raised."""
    three_axes = any(isinstance(a, np.ndarray) and a.ndim > 2 for a in local.values())
    known = {
        "An axis is gone after .sum or .max: keepdims=True keeps it, with size 1.": (
            _is_one_axis_short(message)
            and re.search(r"\.(sum|max|mean)\(", line) is not None
            and "keepdims=" not in line
        ),
        ".T turns all axes round, that of the heads too. With three axes swap the "
        "last two: key.swapaxes(-1, -2).": "matmul" in message
        and ".T" in line
        and three_axes,
        "Every query meets every key: turn the keys first, rows to columns.": (
            re.search("matmul|not aligned", message) is not None
            and re.search(r"query.*key", line) is not None
            and re.search(r"\.T|swapaxes|transpose", line) is None
        ),
        "d_k is how many numbers a key has: the last of its shape.": (
            "name 'd_k'" in message
        ),
        "W_O is transposed. Here words are rows: z @ w_o.": "matmul" in message
        and "w_o.T" in line,
        "There is an axis in front of the last ones, for the sentences: "
        "*front, n, width = x.shape takes any number of them.": (
            "too many values to unpack" in message and ".shape" in line
        ),
        PAIRS: "inhomogeneous" in message
        and ("attention(" in line or any(map(holds_pairs, local.values()))),
        ".view with sizes is PyTorch's. NumPy's is .reshape.": ".view(" in line,
        ".permute is PyTorch's. NumPy's is .transpose, with all axes in their new "
        "order.": "'permute'" in message,
        "In NumPy .transpose wants all axes. To swap two of them: .swapaxes(0, 1).": (
            "axes don't match" in message
        ),
        "dim is PyTorch's. NumPy's is axis.": "argument 'dim'" in message,
        "The lessons are written in NumPy, and PyTorch was not imported.": (
            "name 'torch'" in message
        ),
    }
    return [hint for hint, fits in known.items() if fits]


def _is_one_axis_short(message: str) -> bool:
    """Whether NumPy could not broadcast two shapes, the second without one axis."""
    shapes = [re.findall(r"\d+", shape) for shape in re.findall(r"\(.*?\)", message)]
    if "broadcast" not in message or len(shapes) != 2:
        return False
    whole, short = shapes
    return short in [whole[:i] + whole[i + 1 :] for i in range(len(whole))]


def _overwritten(frame: FrameType, given: dict[str, Any]) -> list[str]:
    """Say which arguments no longer have the shape that they came with."""
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return [
        f"By then {name} is {_shape(frame.f_locals[name])}: does a loop overwrite it?"
        for name, was in zip(names, given.values())
        if np.shape(was) != _shape(frame.f_locals.get(name, was))
    ]


def _shape(value: Any) -> tuple[int, ...] | str:
    try:
        return np.shape(value)
    except ValueError:
        return "a list whose parts differ in length"
