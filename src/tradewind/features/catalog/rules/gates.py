"""What stands before a model whose licence has to be accepted. Pure."""


def gate_of(model: str, licence: str) -> str:
    """Return what an organization has to have accepted, as gateways compare it.

    The licence is part of it: when a model gets another one, nobody has accepted that.
    """
    return f"{model} {licence}"
