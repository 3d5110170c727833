"""The check of tokens over fakes: a registry with issuers of the test, and everything that it leaves behind."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from strongroom_service.adapters.key_sets import PublishedKeys
from strongroom_service.adapters.tokens import JwsTokens
from strongroom_service.domain.issuers import Issuer, IssuerKind
from strongroom_service.domain.public_keys import KeySet
from strongroom_service.domain.quota import Quota
from strongroom_service.domain.registry import Registry
from strongroom_service.usecases.ports import AuthenticationPorts
from tests.support.auditing import FakeMeasurements
from tests.support.fakes import Failures, FakeAuditLog, FakeClock, FakeRandomness, FakeRegistry
from tests.support.issuers import AUDIENCE, TestIssuer, ec_key, jwk

TRUST_DOMAIN = "prod.example.org"


def inline(issuer: TestIssuer, **changes: Any) -> Issuer:
    """A test's issuer as it is registered, its keys given with it."""
    said: dict[str, Any] = {
        "kind": IssuerKind.OIDC,
        "name": issuer.url,
        "audiences": frozenset({AUDIENCE}),
        "tenant": "default",
        "keys": KeySet.strictly(issuer.jwks()),
        "algorithms": frozenset({issuer.algorithm}),
    }
    return Issuer(**{**said, **changes})


@dataclass
class Authentication:
    """An OpenID Connect issuer `ci` and a trust domain `svids`, and the ports around them."""

    clock: FakeClock = field(default_factory=FakeClock)
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        now = self.clock.moment
        self.issuer = TestIssuer(now=now)
        self.svids = TestIssuer("unused", key=ec_key(), algorithm="ES256", kid="svid-1", now=now)
        keys = KeySet.strictly({"keys": [jwk(self.svids.key, "svid-1", use="jwt-svid")]})
        registry = Registry(tenants={"default": frozenset(), "green": frozenset()})
        registry = registry.with_issuer("ci", inline(self.issuer))
        spiffe = inline(self.svids, kind=IssuerKind.SPIFFE, name=TRUST_DOMAIN, tenant="green", keys=keys)
        self.registry = FakeRegistry(registry.with_issuer("svids", spiffe), self.failures)
        self.audit = FakeAuditLog(self.failures)
        self.measurements = FakeMeasurements()
        self.monotonic = 0.0
        self.quota = Quota(at_once=50, per_second=1, monotonic=lambda: self.monotonic)

    def ports(self) -> AuthenticationPorts:
        return AuthenticationPorts(
            region="us-east-1",
            clock=self.clock,
            randomness=FakeRandomness(),
            registry=self.registry,
            tokens=JwsTokens(),
            keys=PublishedKeys(measurements=self.measurements),
            audit=self.audit,
            measurements=self.measurements,
        )

    def at(self, seconds: float) -> int:
        """A NumericDate so many seconds from the clock's time."""
        return int((self.clock.moment + timedelta(seconds=seconds)).timestamp())
