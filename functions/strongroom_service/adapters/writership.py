"""The right to write, as the deployment's options give it to one region."""

from strongroom_service.usecases.ports import WriterState


class ConfiguredWriter:
    """The writership port with a fixed answer."""

    def __init__(self, *, region: str, epoch: int) -> None:
        self._state = WriterState(region, epoch)

    def state(self) -> WriterState:
        """The configured region and epoch."""
        return self._state
