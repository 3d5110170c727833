from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk.aws_s3 import Bucket
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint_file  # type: ignore[import-untyped]  # cfn-lint publishes no types
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]  # the same

if TYPE_CHECKING:
    from tests.infra.synthesized import Application

# The CDK makes functions depend on their role beside referring to it; the rule calls that superfluous.
IGNORED = ["W3005"]


@pytest.mark.parametrize("deployment", ["two_regions", "one_region"])
def test_cdk_nag_has_nothing_left_to_say(deployment: str, request: pytest.FixtureRequest) -> None:
    """Errors and warnings of AwsSolutions are mended or acknowledged with a reason."""
    application: Application = request.getfixturevalue(deployment)
    assert [it for report in application.nag for it in report["violations"]] == []


def test_cdk_nag_is_listening(tmp_path: Path) -> None:
    """The same check finds something where something is wrong."""
    app = App(outdir=str(tmp_path))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    Bucket(Stack(app, "Careless"), "Bucket")
    with pytest.raises(RuntimeError, match="server access logs disabled"):
        app.synth()


@pytest.mark.parametrize("deployment", ["two_regions", "one_region"])
def test_cfn_lint_is_content(deployment: str, request: pytest.FixtureRequest) -> None:
    """Templates hold what CloudFormation's own schemas admit in their regions."""
    application: Application = request.getfixturevalue(deployment)
    found = []
    for name in application.stacks:
        region = application.stacks[name]["environment"].rsplit("/", 1)[1]
        path = application.folder / f"{name}.template.json"
        found += lint_file(path, config=ManualArgs(regions=[region], ignore_checks=IGNORED))
    assert [f"{it.filename}: {it.rule.id} {it.message}" for it in found] == []
