"""One synthesized application, and questions about its templates."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.app import build
from infra.config import Options

ACCOUNT = "111122223333"
PROJECT = Path(__file__).resolve().parents[2]
CONTEXT: dict[str, Any] = json.loads((PROJECT / "cdk.json").read_text())["context"]

TWO_REGIONS: dict[str, Any] = {
    **CONTEXT["strongroom"],
    "roles": [
        {"principal": f"arn:aws:iam::{ACCOUNT}:role/app", "role": "reader", "tenant": "default", "prefix": "app/"}
    ],
    "operators": [f"arn:aws:iam::{ACCOUNT}:role/operator"],
    "callerAccounts": ["444455556666", ACCOUNT],
    "organizationId": "o-a1b2c3d4e5",
    "breakGlass": {"approvals": 2, "announceTo": "security@example.com"},
}
ONE_REGION: dict[str, Any] = {
    "stage": "solo",
    "primaryRegion": "eu-central-1",
    "auditStream": {"shards": 2},
    "auditRetentionHours": 24,
    "alarmAddress": "oncall@example.com",
    "objectLock": {"mode": "compliance", "days": 30},
    "logRetentionDays": 30,
    "tracing": "changes",
    "reservedConcurrency": {"admin": 5, "workers": 2},
    "terminationProtection": False,
}


@dataclass(frozen=True)
class Application:
    """What a synthesis wrote."""

    folder: Path

    @property
    def stacks(self) -> dict[str, dict[str, Any]]:
        """Stack artifacts of the cloud assembly by name."""
        artifacts = json.loads((self.folder / "manifest.json").read_text())["artifacts"]
        return {name: it for name, it in artifacts.items() if it["type"] == "aws:cloudformation:stack"}

    def metadata(self, stack: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """What the synthesis says of a stack's constructs, by their paths."""
        file = stack.get("additionalMetadataFile")
        apart: dict[str, list[dict[str, Any]]] = json.loads((self.folder / file).read_text()) if file else {}
        return {**stack.get("metadata", {}), **apart}

    @property
    def nag(self) -> list[dict[str, Any]]:
        """What cdk-nag reported."""
        report = self.folder / "validation-report.json"
        reports: list[dict[str, Any]] = json.loads(report.read_text())["pluginReports"] if report.exists() else []
        return reports

    def template(self, stack: str) -> dict[str, Any]:
        """One stack's template."""
        found: dict[str, Any] = json.loads((self.folder / f"{stack}.template.json").read_text())
        return found

    def resources(self, stack: str, kind: str) -> list[dict[str, Any]]:
        """The resources of one type."""
        return [it for it in self.template(stack)["Resources"].values() if it["Type"] == kind]

    def one(self, stack: str, kind: str, **properties: object) -> dict[str, Any]:
        """The one resource of a type that has these properties."""
        matching = [
            it
            for it in self.resources(stack, kind)
            if all(it.get("Properties", {}).get(name) == value for name, value in properties.items())
        ]
        assert len(matching) == 1, f"{stack}: {len(matching)} of {kind} with {properties}"
        return matching[0]

    def everything(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """All resources of all stacks: stack, logical id, resource."""
        for stack in self.stacks:
            for logical_id, resource in self.template(stack)["Resources"].items():
                yield stack, logical_id, resource


def synthesize(options: Mapping[str, Any], folder: Path) -> Application:
    """Synthesize with cdk-nag listening. Assets are not copied: nobody deploys them."""
    app = App(outdir=str(folder), context={**CONTEXT, "aws:cdk:disable-asset-staging": True})
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    build(app, Options.parse(options, default_account=ACCOUNT))
    app.synth()
    return Application(folder)


def statements_by_sid(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A policy document's statements by their ids."""
    return {statement["Sid"]: statement for statement in document["Statement"]}


def as_list(value: Any) -> list[Any]:
    """IAM writes a list of one as the one."""
    return value if isinstance(value, list) else [value]


def resolved(value: Any) -> str:
    """An ARN as text, with `<stack output>` for what another stack tells."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator.join(resolved(part) for part in parts))
    if "Fn::GetStackOutput" in value:
        output = value["Fn::GetStackOutput"]["OutputName"]
        return (
            f"<{output.removeprefix('PublishOutput').removeprefix('FnGetAtt').removeprefix('Ref').split('Key')[0]}Key>"
        )
    if "Fn::GetAtt" in value:
        return f"<{value['Fn::GetAtt'][0].split('Key')[0]}Key>"
    raise AssertionError(f"neither an ARN nor a reference: {value}")
