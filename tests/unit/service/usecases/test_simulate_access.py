"""Who may do what: under the policies in force, and with changes that are only proposed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Authentication
from strongroom_service.domain.access_set import AccessSet, CedarText
from strongroom_service.domain.audit import Phase
from strongroom_service.domain.errors import AccessDenied, AuditUnavailable, InvalidRequest, NotFound, StoreUnavailable
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.access_proposal import AccessProposal
from strongroom_service.usecases.simulate_access import Circumstances, Question, simulate
from tests.support.access import ADMINISTRATOR, APP, AUDITOR, OTHER, Governed, caller

READ: dict[str, Any] = {"action": Action.READ, "environment": "prod", "path": "payments/db"}


@pytest.fixture
def governed() -> Governed:
    return Governed()


def ask(governed: Governed, *, actor: str = AUDITOR, **said: Any) -> dict[str, bool]:
    simulated = simulate(Question(**{**READ, **said}), caller=caller(actor), ports=governed.write_ports())
    return {principal: decision.allowed for principal, decision in simulated.decisions.items()}


def proposed(**said: Any) -> AccessProposal:
    return AccessProposal(**said)


def test_everybody_who_is_named_is_asked_for(governed: Governed) -> None:
    assert ask(governed) == {ADMINISTRATOR: False, APP: True, AUDITOR: False}
    assert ask(governed, principals=[OTHER, APP]) == {OTHER: False, APP: True}
    (event,) = {(it.phase, it.environment, it.path) for it in governed.audit.events}
    assert event == (Phase.RELEASE, "prod", "payments/db")


def test_a_proposal_is_asked_and_not_stored(governed: Governed) -> None:
    binding = RoleBinding(role=Role.READER, group="team")
    proposal = proposed(policies={"team": binding, "deployment-3": None}, groups={"team": [OTHER]})
    assert ask(governed, proposal=proposal) == {ADMINISTRATOR: False, AUDITOR: False, OTHER: True}
    assert governed.in_force().revision == 0
    assert "access.replace" not in governed.failures.calls


def test_principals_that_only_a_text_names_are_asked_for(governed: Governed) -> None:
    text = CedarText(f'permit(principal == Principal::"{OTHER}", action, resource);')
    assert ask(governed, proposal=proposed(policies={"p": text}))[OTHER]


@pytest.mark.parametrize(
    ("condition", "circumstances"),
    [
        ('context.sourceAddress.isInRange(ip("10.0.0.0/8"))', Circumstances(source_ip="10.1.2.3")),
        ('context.time > datetime("2040-01-01T00:00:00Z")', Circumstances(time=datetime(2041, 1, 1, tzinfo=UTC))),
        ('context.region == "us-west-2"', Circumstances(region="us-west-2")),
        ('context.authentication == "oidc"', Circumstances(authentication=Authentication.OIDC)),
        ("context.authenticationAge > 100", Circumstances(authentication_age=101)),
    ],
)
def test_circumstances_are_the_callers_own_unless_given(
    governed: Governed, condition: str, circumstances: Circumstances
) -> None:
    text = CedarText(f"permit(principal, action, resource) when {{ {condition} }};")
    proposal = proposed(policies={"p": text})
    assert not ask(governed, principals=[OTHER], proposal=proposal)[OTHER]
    assert ask(governed, principals=[OTHER], proposal=proposal, circumstances=circumstances)[OTHER]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"path": None}, "path"),
        ({"environment": None, "path": None}, "environment"),
        ({"action": Action.REWRAP}, "path"),
        ({"action": Action.POLICY_WRITE}, "environment"),
        ({"action": Action.AUDIT_READ, "environment": None}, "path"),
        ({"proposal": proposed(policies={"p": CedarText("nonsense")})}, "cedar"),
        ({"proposal": proposed(policies={"P": RoleBinding(role=Role.READER, principal=APP)})}, "policyId"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(governed: Governed, said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(governed, **said)
    assert refused.value.violations[0].field == field


def test_what_is_not_there_cannot_be_removed(governed: Governed) -> None:
    for proposal in (proposed(policies={"none": None}), proposed(groups={"none": None})):
        with pytest.raises(NotFound):
            ask(governed, proposal=proposal)


def test_an_answer_is_never_silently_short(governed: Governed) -> None:
    members = frozenset(f"iam:{number}" for number in range(limits.MAX_SIMULATED_PRINCIPALS))
    governed.items.put(AccessSet("default", 1, governed.in_force().policies, {"team": members}))
    with pytest.raises(InvalidRequest, match="principals"):
        ask(governed)
    assert ask(governed, principals=[APP]) == {APP: True}


def test_what_errs_in_a_proposal_is_told_and_rings_nothing(governed: Governed) -> None:
    text = CedarText("forbid(principal, action, resource) when { 9223372036854775807 + 1 > 0 };")
    question = Question(**READ, principals=[APP], proposal=proposed(policies={"p": text}))
    simulated = simulate(question, caller=caller(AUDITOR), ports=governed.write_ports())
    assert (simulated.decisions[APP].allowed, simulated.decisions[APP].is_broken) == (False, True)
    assert governed.rung == 0


@pytest.mark.parametrize("actor", [APP, OTHER])
def test_who_may_not_see_policies_is_told_nothing(governed: Governed, actor: str) -> None:
    """Not even what is wrong with the question."""
    with pytest.raises(AccessDenied):
        ask(governed, actor=actor, path=None)
    assert [event.phase for event in governed.audit.events] == [Phase.DENIAL]


def test_nothing_is_told_without_a_record(governed: Governed) -> None:
    governed.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        ask(governed)


def test_a_store_that_does_not_answer_is_an_error(governed: Governed) -> None:
    governed.failures.plan("access.pointer", StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        ask(governed)
