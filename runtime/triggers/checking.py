"""Whether a trigger can start its flow at all: looked at when it is kept and when it is published."""

from __future__ import annotations

from ...engine import ConfigError, suggestion
from ...engine.flow import Flow
from ..runs.starting import read_inputs
from ..workspace import Workspace
from .calendar import Calendar
from .folders import folder_of
from .kinds import Folder, Hand, Trigger, Webhook


def check_trigger(workspace: Workspace, trigger: Trigger) -> None:
    """Raises ConfigError when the flow is not there, or has not the inputs that the trigger gives."""
    flow, _ = workspace.stored_flow(trigger.flow_id)
    for name in (*trigger.inputs, *_given_later(trigger)):
        if name not in flow.inputs:
            raise ConfigError(
                f"The flow {flow.id!r} has no input {name!r}. {suggestion(name, flow.inputs)}", field="inputs"
            )
    if isinstance(trigger.settings, Folder):
        _check_folder(workspace, flow, trigger.settings)
    _check_values(flow, trigger)


def _given_later(trigger: Trigger) -> tuple[str, ...]:
    """Inputs whose values come with a firing."""
    match trigger.settings:
        case Folder(input=name):
            return (name,)
        case Webhook(fields=fields):
            return tuple(fields)
        case Hand(asks=asks):
            return asks
        case Calendar():
            return ()


def _check_folder(workspace: Workspace, flow: Flow, settings: Folder) -> None:
    folder_of(workspace, settings)
    if (kind := flow.inputs[settings.input].type) != "file":
        raise ConfigError(
            f"The input {settings.input!r} of flow {flow.id!r} is a {kind}; only a file can take what arrives.",
            field="settings.input",
        )


def _check_values(flow: Flow, trigger: Trigger) -> None:
    """The values that are known now fit, and no other is missing. What a webhook brings nobody knows."""
    later = set(_given_later(trigger)) - set(trigger.inputs)
    is_open = isinstance(trigger.settings, Webhook)
    asked = {
        name: one for name, one in flow.inputs.items() if name in trigger.inputs or (name not in later and not is_open)
    }
    read_inputs(flow.model_copy(update={"inputs": asked}), trigger.inputs)
