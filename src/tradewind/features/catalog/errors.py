"""What the catalog refuses."""

from tradewind.core.errors import Conflict, Forbidden, NotFound


class ModelNotFound(NotFound):
    """No such model, or none that the asker may see."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no model {name[:200]!r}", hint="search the catalog for its name"
        )


class NotDeployable(Conflict):
    """A model whose life is ending, or of which too little is known to run it."""

    code = "not_deployable"


class LicenceChanged(Conflict):
    """Somebody accepts another licence than the one the model has now."""

    code = "licence_changed"


class LicenceNotAccepted(Forbidden):
    """A gated model is called or deployed by an organization that has not accepted its licence."""

    code = "licence_not_accepted"


class ChangeDecided(Conflict):
    """A held change was decided already, or the next reading took it back."""

    code = "change_decided"
