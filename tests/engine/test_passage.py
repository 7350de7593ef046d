"""Items on their way: whatever the flow, no item meets one of another record, and each source item has one ending."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from postwerk.engine.flow import Flow

from .reference import AtOneStroke, Stagewise
from .small_flows import flows

EXAMPLES = 300


@settings(max_examples=EXAMPLES, deadline=None)
@given(flows(), st.integers(0, 10**6))
def test_a_flow_gives_what_its_wires_say_whatever_the_order(flow: Flow, seed: int) -> None:
    expected = AtOneStroke(flow).run()

    for number in range(2):
        outcome = Stagewise(flow, seed + number).run()

        assert outcome.calls == expected.calls
        assert outcome.failures == expected.failures
        assert outcome.suspended == expected.suspended
        assert outcome.endings == expected.endings
