import importlib

from tests.infra.synthesized import Application


def test_every_handler_is_a_callable_of_the_service(two_regions: Application) -> None:
    """The infrastructure names code that it must not import: a renamed handler would fail only when it is called."""
    handlers = {
        it["Properties"]["Handler"] for _, _, it in two_regions.everything() if it["Type"] == "AWS::Lambda::Function"
    }
    assert handlers == {
        f"strongroom_service.entry.{name}.handler"
        for name in ("read", "admin", "authorizer", "drain", "digests", "grants", "indexer", "seed")
    }
    for handler in handlers:
        module, _, name = handler.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name)), handler
