"""A function's environment is read once and refused by the name of the variable at fault."""

import pytest

from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.entry.environment import Environment, EnvironmentInvalidError

VARIABLES = {
    "AWS_REGION": "us-east-1",
    "STRONGROOM_STAGE": "test",
    "STRONGROOM_TABLE": "strongroom-test-secrets",
    "STRONGROOM_WRITER_REGION": "us-east-1",
    "STRONGROOM_ENVELOPE_KEY": "arn:aws:kms:us-east-1:123456789012:key/mrk-0",
    "STRONGROOM_REGIONS": "us-east-1,us-west-2",
    "STRONGROOM_AUDIT_STREAM": "strongroom-test-audit",
    "STRONGROOM_AUDIT_BUFFER": "strongroom-test-audit-buffer",
    "STRONGROOM_AUDIT_BUFFER_EVENTS": "6400",
    "STRONGROOM_TENANTS": '{"blue":["123456789012"],"green":["123456789012","210987654321"]}',
    "STRONGROOM_OPERATORS": '["iam:op"]',
    "STRONGROOM_ROLES": '[{"principal":"iam:x","role":"reader","tenant":"blue","prefix":"payments/"}]',
}


def test_reads_every_variable() -> None:
    """The whole environment as one value."""
    environment = Environment.parse(VARIABLES)
    assert environment.region == "us-east-1"
    assert environment.regions == ("us-east-1", "us-west-2")
    assert environment.audit_buffer_events == 6400
    assert environment.registry.tenants == {
        "blue": frozenset({"123456789012"}),
        "green": frozenset({"123456789012", "210987654321"}),
    }
    assert environment.registry.revision == 0
    assert environment.registry.operators == frozenset({"iam:op"})
    assert environment.roles == {"blue": (RoleBinding(role=Role.READER, principal="iam:x", prefix="payments"),)}


@pytest.mark.parametrize("name", sorted(VARIABLES))
@pytest.mark.parametrize("value", [None, ""])
def test_names_the_variable_that_is_missing(name: str, value: str | None) -> None:
    """Absent and empty are the same fault."""
    variables = {k: v for k, v in VARIABLES.items() if k != name} | ({name: value} if value is not None else {})
    with pytest.raises(EnvironmentInvalidError, match=name):
        Environment.parse(variables)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRONGROOM_REGIONS", "us-west-2,eu-west-1"),
        ("STRONGROOM_AUDIT_BUFFER_EVENTS", "0"),
        ("STRONGROOM_AUDIT_BUFFER_EVENTS", "-1"),
        ("STRONGROOM_AUDIT_BUFFER_EVENTS", "\u0663"),
        ("STRONGROOM_TENANTS", "no json"),
        ("STRONGROOM_TENANTS", "[]"),
        ("STRONGROOM_TENANTS", '{"a": "b"}'),
        ("STRONGROOM_OPERATORS", "{}"),
        ("STRONGROOM_OPERATORS", "[1]"),
        ("STRONGROOM_ROLES", "no json"),
        ("STRONGROOM_ROLES", "{}"),
        ("STRONGROOM_ROLES", '[{"principal": "x"}]'),
        ("STRONGROOM_ROLES", '[{"principal": "x", "role": "god", "tenant": "a"}]'),
        ("STRONGROOM_ROLES", "[1]"),
        ("STRONGROOM_ROLES", '[{"principal": 1, "role": "reader", "tenant": "a"}]'),
    ],
)
def test_names_the_variable_that_cannot_be_read(name: str, value: str) -> None:
    """A value of another shape is refused at the start, not at the first request that needs it."""
    with pytest.raises(EnvironmentInvalidError, match=name):
        Environment.parse({**VARIABLES, name: value})
