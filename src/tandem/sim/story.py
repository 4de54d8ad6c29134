"""What a failing story looks like to its reader: the last lines that concern what went wrong, and how to replay it.

Does not judge. Works on the trace of a ``run.Outcome``.
"""

from __future__ import annotations

from tandem.sim.run import Outcome, Scenario, tell
from tandem.sim.world import clock_text

ALWAYS = ("fault #", "Failover state changes", " boots", "is killed", "loses power", "the operator", "faults stop",
          "is stopped", "reloads", "holders")  # fmt: skip
"""What every story shows besides the lines about what it concerns."""


def story_of(outcome: Outcome, lines: int = 60, everything: bool = False) -> str:
    """Return the story of a traced outcome: its last ``lines`` lines of interest, and its verdict."""
    words = (*outcome.concerns, *ALWAYS) if not everything else ()
    told = [
        f"{clock_text(when)} {text}" for when, text in outcome.trace if everything or any(w in text for w in words)
    ]
    verdict = outcome.text if outcome.verdict else "all verdicts hold"
    return "\n".join([*told[-lines:], "", verdict, f"replay: {outcome.scenario.command()}"])


def retell(scenario: Scenario) -> Outcome:
    """Tell a story again, with its trace."""
    return tell(scenario, tracing=True)
