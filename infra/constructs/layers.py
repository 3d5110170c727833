"""Layers and function code as assets, built at synthesis unless they are there already."""

from pathlib import Path
from typing import Final

from aws_cdk import AssetHashType, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.naming import Names
from layers.build import build

PROJECT: Final = Path(__file__).resolve().parents[2]
ARCHITECTURE: Final = lambda_.Architecture.ARM_64
RUNTIME: Final = lambda_.Runtime.PYTHON_3_13


def layer(scope: Construct, name: str, *, names: Names, target: str) -> lambda_.LayerVersion:
    """A layer of locked requirements; raises `LayerBuildError` when it cannot be built."""
    built = build(name, target)
    return lambda_.LayerVersion(
        scope,
        f"{name.capitalize()}Layer",
        layer_version_name=names.of(name),
        description=f"Locked requirements of the {name} functions",
        # The builder knows all that went into the folder: its key spares hashing thousands of files at each synthesis.
        code=lambda_.Code.from_asset(str(built.path), asset_hash=built.key, asset_hash_type=AssetHashType.CUSTOM),
        compatible_architectures=[ARCHITECTURE],
        compatible_runtimes=[RUNTIME],
        removal_policy=RemovalPolicy.DESTROY,
    )


def service_code() -> lambda_.Code:
    """All server code, one asset for every function."""
    return lambda_.Code.from_asset(str(PROJECT / "functions"), exclude=["**/__pycache__", "**/*.pyc", ".*"])
