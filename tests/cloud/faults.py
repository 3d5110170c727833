"""Outages that take more than one rule of the fault proxy."""

from collections.abc import Iterator
from contextlib import contextmanager

from infra.local.client import LocalCloud

FAULTS = ("refuse", "timeout", "error5xx", "throttle", "lose")
"""Every fault by which a call of AWS fails."""


@contextmanager
def no_stream(cloud: LocalCloud, fault: str = "refuse", *, region: str | None = None) -> Iterator[None]:
    """A region's audit stream takes no record."""
    with cloud.faults.fault(fault, region=region or cloud.writer.name, service="kinesis", operation="PutRecord"):
        yield


@contextmanager
def no_audit(cloud: LocalCloud, fault: str = "refuse", *, region: str | None = None) -> Iterator[None]:
    """Neither does its buffer; nor any other table a transaction."""
    where = region or cloud.writer.name
    buffer = cloud.faults.fault(fault, region=where, service="dynamodb", operation="TransactWriteItems")
    with no_stream(cloud, fault, region=where), buffer:
        yield
