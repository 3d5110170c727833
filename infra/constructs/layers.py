"""Layers and function code as assets, built at synthesis unless they are there already."""

from typing import Final

from aws_cdk import AssetHashType, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.naming import Names
from layers.build import Layer, build, build_code

ARCHITECTURE: Final = lambda_.Architecture.ARM_64
RUNTIME: Final = lambda_.Runtime.PYTHON_3_13


def layer(scope: Construct, name: str, *, names: Names, target: str) -> lambda_.LayerVersion:
    """A layer of locked requirements; raises `LayerBuildError` when it cannot be built."""
    return lambda_.LayerVersion(
        scope,
        f"{name.capitalize()}Layer",
        layer_version_name=names.of(name),
        description=f"Locked requirements of the {name} functions",
        code=_asset(build(name, target)),
        compatible_architectures=[ARCHITECTURE],
        compatible_runtimes=[RUNTIME],
        removal_policy=RemovalPolicy.DESTROY,
    )


def service_code(target: str) -> lambda_.Code:
    """All server code, one asset for every function."""
    return _asset(build_code(target))


def _asset(built: Layer) -> lambda_.Code:
    # The builder knows all that went into the folder: its key spares hashing thousands of files at each synthesis.
    return lambda_.Code.from_asset(str(built.path), asset_hash=built.key, asset_hash_type=AssetHashType.CUSTOM)
