import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from infra.app import OPTIONS_FILE, options_of
from infra.config import ROLES, Options
from infra.option_reader import OptionError
from tests.infra.synthesized import ACCOUNT, CONTEXT

ROLE = {"principal": f"arn:aws:iam::{ACCOUNT}:role/app", "role": "reader", "tenant": "default"}
THREE_WRITERS = {
    "replicaRegions": ["us-west-2", "us-east-2", "eu-west-1"],
    "writerCandidates": ["us-east-1", "us-west-2", "us-east-2"],
    "witnessRegion": None,
}
ALONE: dict[str, Any] = {"replicaRegions": [], "writerCandidates": [], "witnessRegion": None}


def options(**changes: Any) -> dict[str, Any]:
    """The options of cdk.json with changes."""
    return {**CONTEXT["strongroom"], **changes}


def test_the_default_options_are_valid_and_typed() -> None:
    """What cdk.json ships deploys two regions, and durations are durations."""
    parsed = Options.parse(options(), default_account=ACCOUNT)
    assert parsed.regions == ("us-east-1", "us-west-2")
    assert parsed.account == ACCOUNT
    assert parsed.tenants == {"default": (ACCOUNT,)}
    assert parsed.stream_shards is None
    assert parsed.object_lock.retention == timedelta(days=365)
    assert parsed.log_retention == timedelta(days=90)
    assert parsed.termination_protection


@pytest.mark.parametrize("changes", [THREE_WRITERS, ALONE, {"replicaRegions": ["us-west-2", "ap-southeast-2"]}])
def test_legal_sets_of_regions_are_accepted(changes: dict[str, Any]) -> None:
    """Two writers and a witness, three writers, or one region; further replicas may lie anywhere."""
    Options.parse(options(**changes), default_account=ACCOUNT)


@pytest.mark.parametrize(
    ("changes", "option", "rule"),
    [
        ({"stage": None}, "stage", "1 to 12"),
        ({"stage": "Prod"}, "stage", "1 to 12"),
        ({"stage": "a-very-long-stage"}, "stage", "1 to 12"),
        ({"account": "12345"}, "account", "12 digits"),
        ({"account": 111122223333}, "account", "12 digits"),
        ({"primaryRegion": "moon-1"}, "primaryRegion", "name of a region"),
        ({"primaryRegion": "cn-north-1"}, "primaryRegion", "standard partition"),
        ({"replicaRegions": "us-west-2"}, "replicaRegions", "must be a list"),
        ({"replicaRegions": ["us-west-2", "nowhere"]}, "replicaRegions[1]", "name of a region"),
        ({"replicaRegions": ["us-west-2", "us-west-2"]}, "replicaRegions", "each region once"),
        ({"replicaRegions": ["us-west-2", "us-east-1"]}, "replicaRegions", "not the primary"),
        ({"writerCandidates": []}, "writerCandidates", "must contain the primary"),
        ({"writerCandidates": ["us-east-1"]}, "writerCandidates", "exactly two and a witnessRegion"),
        ({"writerCandidates": ["us-east-1", "us-east-1"]}, "writerCandidates", "named once"),
        ({"writerCandidates": ["us-west-2", "eu-west-1"]}, "writerCandidates", "one of the replica regions"),
        ({"witnessRegion": None}, "writerCandidates", "exactly three without one"),
        ({"witnessRegion": "us-west-2"}, "witnessRegion", "not be one of the writer candidates"),
        ({"witnessRegion": "eu-west-1"}, "writerCandidates", "one set of multi-region strong consistency"),
        ({**THREE_WRITERS, "witnessRegion": "us-east-2"}, "writerCandidates", "exactly two and a witnessRegion"),
        (
            {"replicaRegions": ["eu-west-1"], "writerCandidates": ["us-east-1", "eu-west-1"]},
            "writerCandidates",
            "one set of multi-region strong consistency",
        ),
        ({**ALONE, "witnessRegion": "us-east-2"}, "writerCandidates", "single region"),
        ({**ALONE, "writerCandidates": ["us-east-1"]}, "writerCandidates", "single region"),
        ({"tenants": {}}, "tenants", "at least one tenant"),
        ({"tenants": {"Default": [ACCOUNT]}}, "tenants.Default", "1 to 32"),
        ({"tenants": {"default": []}}, "tenants.default", "at least one account"),
        ({"tenants": {"default": ["42"]}}, "tenants.default[0]", "12 digits"),
        ({"roles": {}}, "roles", "must be a list"),
        ({"roles": ["reader"]}, "roles[0]", "JSON object"),
        ({"roles": [{**ROLE, "principal": "app"}]}, "roles[0].principal", "IAM role's ARN"),
        (
            {"roles": [{**ROLE, "principal": f"arn:aws:iam::{ACCOUNT}:role/p/app"}]},
            "roles[0].principal",
            "without a path",
        ),
        (
            {"roles": [{**ROLE, "principal": "arn:aws:iam::999999999999:role/app"}]},
            "roles[0].principal",
            "an account of",
        ),
        ({"roles": [{**ROLE, "role": "admin"}]}, "roles[0].role", "reader, owner, rotator, auditor, security"),
        (
            {"roles": [{"principal": ROLE["principal"], "tenant": "default"}]},
            "roles[0].role",
            "reader, owner, rotator, auditor, security",
        ),
        ({"roles": [{**ROLE, "role": "administrator", "environment": "prod"}]}, "roles[0].environment", "whole tenant"),
        ({"roles": [{**ROLE, "role": "administrator", "prefix": "app"}]}, "roles[0].prefix", "whole tenant"),
        ({"roles": [{**ROLE, "tenant": "other"}]}, "roles[0].tenant", "one of the tenants"),
        ({"roles": [{**ROLE, "environment": "Prod!"}]}, "roles[0].environment", "1 to 32"),
        ({"roles": [{**ROLE, "prefix": "../"}]}, "roles[0].prefix", "whole segments"),
        ({"roles": [{**ROLE, "prefix": "/payments"}]}, "roles[0].prefix", "whole segments"),
        ({"roles": [{**ROLE, "path": "payments"}]}, "roles[0].path", "is not known"),
        (
            {"roles": [{**ROLE, "prefix": f"team-{n}/"} for n in range(40)]},
            "roles",
            "bytes of a function's environment",
        ),
        ({"operators": "admin"}, "operators", "must be a list"),
        ({"operators": ["admin"]}, "operators[0]", "IAM role's ARN"),
        ({"operators": [f"arn:aws:iam::{ACCOUNT}:role/p/admin"]}, "operators[0]", "without a path"),
        ({"operators": [f"arn:aws:iam::{ACCOUNT}:user/admin"]}, "operators[0]", "IAM role's ARN"),
        (
            {"operators": [f"arn:aws:iam::{ACCOUNT}:role/operator-{n}" for n in range(80)]},
            "roles",
            "bytes of a function's environment",
        ),
        ({"callerAccounts": ["1"]}, "callerAccounts[0]", "12 digits"),
        ({"organizationId": "acme"}, "organizationId", "organization's id"),
        ({"auditStream": "provisioned"}, "auditStream", "onDemand"),
        ({"auditStream": {"shards": 0}}, "auditStream.shards", "from 1 to"),
        ({"auditStream": {"shards": True}}, "auditStream.shards", "whole number"),
        ({"auditStream": {}}, "auditStream.shards", "whole number"),
        ({"auditRetentionHours": 12}, "auditRetentionHours", "from 24 to"),
        ({"objectLock": {"mode": "none"}}, "objectLock.mode", "governance, compliance"),
        ({"objectLock": {"days": 0}}, "objectLock.days", "from 1 to"),
        ({"logRetentionDays": 91}, "logRetentionDays", "CloudWatch's periods"),
        ({"accessLogRetentionDays": "90"}, "accessLogRetentionDays", "whole number"),
        ({"throttle": {"rate": 0}}, "throttle.rate", "from 1 to"),
        ({"reservedConcurrency": {"admin": 5}}, "reservedConcurrency.workers", "whole number"),
        ({"alarmAddress": "me"}, "alarmAddress", "e-mail"),
        ({"breakGlass": 2}, "breakGlass", "JSON object"),
        ({"breakGlass": {}}, "breakGlass.approvals", "from 0 to 10"),
        ({"breakGlass": {"approvals": 11}}, "breakGlass.approvals", "from 0 to 10"),
        ({"breakGlass": {"approvals": "1"}}, "breakGlass.approvals", "whole number"),
        ({"breakGlass": {"approvals": 1, "announceTo": "security"}}, "breakGlass.announceTo", "e-mail"),
        ({"breakGlass": {"approvers": 1}}, "breakGlass.approvers", "is not known"),
        ({"target": "x86"}, "target", "lambda, host"),
        ({"terminationProtection": "yes"}, "terminationProtection", "true or false"),
        ({"replicaRegion": ["us-west-2"]}, "replicaRegion", "is not known (is replicaRegions meant?)"),
    ],
)
def test_a_wrong_option_is_refused_by_name_and_rule(changes: dict[str, Any], option: str, rule: str) -> None:
    """The error names the option that is wrong and the rule that it breaks."""
    with pytest.raises(OptionError) as caught:
        Options.parse(options(**changes), default_account=ACCOUNT)
    assert caught.value.option == f"strongroom.{option}"
    assert rule in caught.value.rule


def test_every_role_can_be_bound() -> None:
    bindings = [{**ROLE, "role": role} for role in ROLES]
    assert [it.role for it in Options.parse(options(roles=bindings), default_account=ACCOUNT).roles] == list(ROLES)


def test_tenants_that_nobody_administers_are_known() -> None:
    """Their policies could not be changed by anybody."""
    tenants = {"default": [ACCOUNT], "other": [ACCOUNT]}
    administrator = {**ROLE, "role": "administrator"}
    for roles, without in (([], ("default", "other")), ([administrator], ("other",))):
        parsed = Options.parse(options(tenants=tenants, roles=roles), default_account=ACCOUNT)
        assert parsed.tenants_without_administrator == without


def test_an_account_must_come_from_somewhere() -> None:
    """Without credentials or an option there is no account to name things after."""
    with pytest.raises(OptionError, match=r"strongroom\.account: .*CDK_DEFAULT_ACCOUNT"):
        Options.parse(options())


def test_role_bindings_reach_the_functions_by_the_principal_that_a_signature_shows() -> None:
    """The compact JSON has the principal's id, and only the scopes that were given."""
    parsed = Options.parse(options(roles=[{**ROLE, "prefix": "payments/"}, ROLE]), default_account=ACCOUNT)
    principal = f"iam:arn:aws:iam::{ACCOUNT}:role/app"
    assert json.loads(parsed.roles_json) == [
        {"principal": principal, "role": "reader", "tenant": "default", "prefix": "payments/"},
        {"principal": principal, "role": "reader", "tenant": "default"},
    ]
    assert json.loads(parsed.tenants_json) == {"default": [ACCOUNT]}


def test_a_file_takes_the_place_of_the_context(tmp_path: Path) -> None:
    """`-c strongroom-config=<path>` is how a second deployment, or the local cloud, brings its own options."""
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"stage": "other", "account": ACCOUNT, "primaryRegion": "eu-west-1"}))
    app = App(context={**CONTEXT, OPTIONS_FILE: str(path)})
    assert options_of(app).stage == "other"


@pytest.mark.parametrize(("content", "rule"), [(None, "readable file"), ("{", "JSON file")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: str | None, rule: str) -> None:
    """The error names the context key and what is wrong with the file."""
    path = tmp_path / "options.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError, match=rule) as caught:
        options_of(App(context={OPTIONS_FILE: str(path)}))
    assert caught.value.option == OPTIONS_FILE


def test_no_options_at_all_is_refused() -> None:
    """An application without its context says what is missing."""
    with pytest.raises(OptionError, match="must be in the context"):
        options_of(App())
