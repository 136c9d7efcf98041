"""Ends what runs of models that an operator stopped. New calls are refused by `lanes`."""

from tradewind.gateway.call_failures import model_stopped
from tradewind.gateway.state import GatewayState, RunningCall


def end_stopped(state: GatewayState) -> None:
    """End the running calls of models that the snapshot in force says are stopped.

    One look-up for each model that is called at the moment, and one step for each call.
    """
    is_stopped: dict[str, bool] = {}
    ended: list[RunningCall] = []
    for call in state.running:
        name = call.endpoint
        known = is_stopped.get(name)
        if known is None:
            endpoint = state.view.endpoint(name)
            known = is_stopped[name] = endpoint is not None and endpoint.is_stopped
        if known:
            ended.append(call)
    for call in ended:
        call.stop_with(model_stopped(call.endpoint))
