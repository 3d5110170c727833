import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from layers import build as builder
from layers.build import LAYERS, Layer, LayerBuildError, build, build_code, size_of
from tests.infra.synthesized import PROJECT, Application

UNZIPPED_LIMIT = 250_000_000
"""Lambda's limit for a function and all of its layers together."""


@pytest.fixture(scope="session", params=LAYERS)
def layer(request: pytest.FixtureRequest) -> Layer:
    """A layer as it is deployed to AWS."""
    name: str = request.param
    return build(name, "lambda")


def test_layers_stay_far_below_lambdas_limit(layer: Layer) -> None:
    """A third of the limit leaves room for what features bring."""
    assert size_of(layer.path) < UNZIPPED_LIMIT / 3


def test_layers_hold_arm_binaries_for_python_3_13(layer: Layer) -> None:
    """Not those of the machine that built them."""
    names = [path.name for path in layer.path.rglob("*.so")]
    assert names
    for name in names:
        assert "x86_64" not in name
        assert not re.search(r"cpython-3(?!13)", name)


def test_bytecode_is_of_lambdas_python_and_never_checked(layer: Layer) -> None:
    """PEP 552: flags 0b01 mark an unchecked hash; bytecode of another version would be dead weight."""
    compiled = list(layer.path.rglob("*.pyc"))
    for path in compiled:
        assert path.name.endswith(".cpython-313.pyc")
        assert path.read_bytes()[4:8] == b"\x01\x00\x00\x00"


def test_files_carry_one_time(layer: Layer) -> None:
    """Equal inputs give equal archives, so an unchanged layer is not deployed again."""
    assert {path.stat().st_mtime for path in layer.path.rglob("*")} == {float(builder.FIXED_TIME)}


def test_metadata_that_libraries_look_up_is_still_there(layer: Layer) -> None:
    """Versions and entry points are read from it at run time."""
    found = {path.parent.name for path in (layer.path / "python").glob("*.dist-info/METADATA")}
    lock = (PROJECT / "layers" / layer.path.name / "requirements.lock").read_text()
    for requirement in re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE):
        assert any(name.startswith(f"{requirement.replace('-', '_')}-") for name in found), requirement


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("reader", ["aws_encryption_sdk", "aws_lambda_powertools.event_handler", "botocore.session", "cryptography"]),
        ("admin", ["fastapi", "mangum", "pynamodb.models", "aws_encryption_sdk"]),
    ],
)
def test_a_layer_for_this_machine_imports_by_itself(name: str, modules: list[str]) -> None:
    """Nothing that was stripped is missed: imports and service models work without any other packages."""
    code = (
        f"import sys, importlib; sys.path.insert(0, {str(build(name, 'host').path / 'python')!r})\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "import botocore.session\n"
        "session = botocore.session.Session()\n"
        f"for service in {sorted(builder.SERVICES)!r}: session.get_service_model(service)\n"
    )
    # -S: without the site packages of the environment, as in Lambda.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    assert done.returncode == 0, done.stderr


def test_what_is_there_is_not_built_again(layer: Layer) -> None:
    """A second build needs no network and no time: the folder is the same one."""
    before = layer.path.stat().st_ino
    assert build(layer.path.name, "lambda") == layer
    assert layer.path.stat().st_ino == before


def test_a_build_that_fails_says_why_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a half-built layer nor a stamp that would pass for a finished one."""
    lock = tmp_path / "reader" / "requirements.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("no-such-package-of-strongroom==1 --hash=sha256:" + "0" * 64)
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(LayerBuildError, match="uv could not install"):
        build("reader", "host", locks=tmp_path, output=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "host").iterdir()] == [".lock"]


def test_a_missing_lock_is_named(tmp_path: Path) -> None:
    """The error says which file is not there."""
    with pytest.raises(LayerBuildError, match=r"requirements\.lock is missing"):
        build("reader", "host", locks=tmp_path, output=tmp_path)


@pytest.mark.parametrize(("name", "target"), [("database", "lambda"), ("reader", "windows")])
def test_unknown_layers_and_targets_are_refused(name: str, target: str) -> None:
    """By name, with what there is."""
    with pytest.raises(LayerBuildError, match="there is no layer"):
        build(name, target)


def test_the_services_code_carries_bytecode_too(tmp_path: Path) -> None:
    """Exactly the sources, each beside its unchecked bytecode, named as it will lie in Lambda."""
    built = build_code("host", output=tmp_path)
    sources = {path.relative_to(PROJECT / "functions") for path in (PROJECT / "functions").rglob("*.py")}
    assert {path.relative_to(built.path) for path in built.path.rglob("*.py")} == sources
    compiled = list(built.path.rglob("*.pyc"))
    assert len(compiled) == len(sources)
    for path in compiled:
        content = path.read_bytes()
        assert content[4:8] == b"\x01\x00\x00\x00"
        assert str(tmp_path).encode() not in content


def test_changed_code_is_another_asset(tmp_path: Path) -> None:
    """A file's content and its name both count."""
    source = tmp_path / "source"
    source.mkdir()
    keys = []
    for name, content in (("a.py", "A = 1"), ("a.py", "A = 2"), ("b.py", "A = 2")):
        for old in source.iterdir():
            old.unlink()
        (source / name).write_text(content)
        keys.append(build_code("host", source=source, output=tmp_path / "out").key)
    assert len(set(keys)) == 3


def test_the_templates_deploy_the_built_layers(two_regions: Application) -> None:
    """The asset's hash is the builder's key, so what was built is what is deployed."""
    stack = "Strongroom-dev-Api-us-east-1"
    assets = json.loads((two_regions.folder / f"{stack}.assets.json").read_text())["files"]
    for name in LAYERS:
        built = build(name, "lambda")
        sources = {entry["source"]["path"]: key for key, entry in assets.items()}
        assert str(built.path) in sources
