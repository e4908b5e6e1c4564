"""Time two calls beside each other, for the benchmarks in this folder."""

import statistics
import time
from collections.abc import Callable


def timed(call: Callable[[], object]) -> float:
    """Return the seconds one call takes: the median of five, after a pause.

    Both libraries keep their threads spinning for some milliseconds after a call. On
    two cores the other one's first call would pay for that, hence the pause.
    """
    time.sleep(0.02)
    call()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], seconds: float
) -> tuple[list[tuple[float, float]], float]:
    """Time both in turn for so long.

    Returns
    -------
    rounds : list of pairs
        The seconds of ours and of theirs.
    ratio : float
        The median of the ratios of neighbouring runs.
    """
    rounds, stop = [], time.perf_counter() + seconds
    while time.perf_counter() < stop:
        rounds.append((timed(ours), timed(theirs)))
    return rounds, statistics.median(a / b for a, b in rounds)
