"""How many examples a property gets: few and always the same in every run, or many and new ones.

``FUZZ=thorough python3 dev.py test tests/conformance/fuzz`` runs for minutes and looks for what nobody thought of.
"""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings

THOROUGH_TIMES = 20
EXAMPLE_TIME_MAX = timedelta(seconds=30)  # a hub that hangs is a finding; a slow machine is none

is_thorough = os.environ.get("FUZZ") == "thorough"


def fuzz(examples: int, *, steps: int = 10) -> settings:
    """The settings of one property: so many examples, and steps of a sequence; twenty times as many examples when thorough."""
    return settings(
        max_examples=examples * THOROUGH_TIMES if is_thorough else examples,
        stateful_step_count=steps,
        derandomize=not is_thorough,
        database=None,
        print_blob=True,
        deadline=EXAMPLE_TIME_MAX,
        # an example is a handful of HTTP calls, and all of them talk to the one hub of their file
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
