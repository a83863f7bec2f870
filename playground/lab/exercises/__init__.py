"""Exercises whose answers are worked out by the rules when they are asked, never typed in.

A wrong answer gets a hint from what it is: each exercise knows the results of the usual mistakes
(a forgotten factor, a wrong rounding, the other price), and says which of them the answer is.
"""

from __future__ import annotations

from decimal import Decimal

from playground import money
from playground.errors import InvalidRequest
from playground.lab.exercises import bills, choices, rules
from playground.lab.exercises.grading import LEVELS, Exercise, Graded, Unit, grade

EXERCISES: tuple[Exercise, ...] = (*bills.EXERCISES, *rules.EXERCISES, *choices.EXERCISES)
BY_ID = {exercise.id: exercise for exercise in EXERCISES}


def exercise(exercise_id: str) -> Exercise:
    """The exercise of that name.

    Raises:
        InvalidRequest: when there is none.
    """
    found = BY_ID.get(exercise_id)
    if found is None:
        msg = f"there is no exercise {exercise_id[:40]!r}"
        raise InvalidRequest(msg)
    return found


def shown(answer: Decimal | str, unit: Unit) -> str:
    """An answer for the screen."""
    if isinstance(answer, str):
        return answer
    if unit == "dollars":
        return f"${money.plain(answer)}"
    return f"{answer:,f}"


__all__ = ["BY_ID", "EXERCISES", "LEVELS", "Exercise", "Graded", "exercise", "grade", "shown"]
