"""The registry ports over a stored document: loaded when its pointer moves, and kept until the next."""

from dataclasses import dataclass

from strongroom_service.domain.access_set import AccessPointer, is_served_by
from strongroom_service.domain.errors import RegistryUnavailable
from strongroom_service.domain.registry import SCOPE, Registry, RegistryBroken
from strongroom_service.usecases.ports import Measurements, Metric

from .stored_documents import AccessItems


@dataclass(frozen=True, slots=True)
class _Known:
    pointer: AccessPointer | None
    registry: Registry


class StoredRegistry:
    """The registry, with `initial` in force before the first one is written."""

    def __init__(self, *, items: AccessItems, initial: Registry, measurements: Measurements) -> None:
        self._items = items
        self._initial = initial
        self._measurements = measurements
        self._known: _Known | None = None

    def known(self) -> Registry:
        """The latest registry that is known here, loaded if there is none yet."""
        return self.in_force() if self._known is None else self._known.registry

    def at(self, pointer: AccessPointer | None) -> Registry:
        """The registry that a pointer names, or a later one."""
        return self._at(pointer).registry

    def in_force(self) -> Registry:
        """The registry in force now."""
        return self.at(self._items.pointer(SCOPE))

    def load(self) -> tuple[AccessPointer | None, Registry]:
        """The registry in force now, and its pointer."""
        found = self._at(self._items.pointer(SCOPE))
        return found.pointer, found.registry

    def replace(self, before: AccessPointer | None, after: Registry, *, epoch: int) -> None:
        """Put another registry in force."""
        self._items.replace(SCOPE, before, AccessPointer.to(after, epoch=epoch), after.encode(), epoch=epoch)

    def _at(self, pointer: AccessPointer | None) -> _Known:
        if self._known is None or not is_served_by(pointer, self._known.pointer):
            self._known = _Known(pointer, self._read(pointer))
        return self._known

    def _read(self, pointer: AccessPointer | None) -> Registry:
        if pointer is None:
            return self._initial
        document = self._items.document(SCOPE, pointer)
        if document is None:
            raise self._broken()
        try:
            return Registry.decode(document, pointer)
        except RegistryBroken as error:
            raise self._broken() from error

    def _broken(self) -> RegistryUnavailable:
        self._measurements.count(Metric.ACCESS_BROKEN)
        return RegistryUnavailable()
