"""The exercises of all lessons, by name: what a check knows of right and wrong.

A lesson's file holds its exercises in the lesson's order; `kit` says what an exercise
is.
"""

from mha_utils.exercises import (
    lesson_1,
    lesson_2,
    lesson_3,
    lesson_4,
    lesson_5,
    lesson_6,
    lesson_7,
    lesson_8,
    lesson_9,
    lesson_10,
)
from mha_utils.exercises.kit import Exercise, Judged

EXERCISES: dict[str, Exercise | Judged] = {
    **lesson_1.EXERCISES,
    **lesson_2.EXERCISES,
    **lesson_3.EXERCISES,
    **lesson_4.EXERCISES,
    **lesson_5.EXERCISES,
    **lesson_6.EXERCISES,
    **lesson_7.EXERCISES,
    **lesson_8.EXERCISES,
    **lesson_9.EXERCISES,
    **lesson_10.EXERCISES,
}
