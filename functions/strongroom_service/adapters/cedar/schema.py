"""The types that policies speak of. Every policy is checked against them before it is stored.

https://docs.cedarpolicy.com/schema/human-readable-schema.html
"""

from functools import cache
from typing import Final

import cedarpy

SCHEMA: Final = """
entity Tenant;
entity Environment in [Tenant];
entity Path in [Path, Environment];
entity Secret in [Path, Environment, Tenant] { environment: String, path: String };
entity Group;
entity Principal in [Group];

type Context = {
  sourceAddress: ipaddr,
  time: datetime,
  region: String,
  authentication: String,
  authenticationAge: Long,
  grant: String,
};

action "secret:read", "secret:register", "secret:write", "secret:promote", "secret:rollback", "secret:disable",
       "secret:destroy"
  appliesTo { principal: [Principal], resource: [Secret], context: Context };
action "breakGlass:request", "breakGlass:approve"
  appliesTo { principal: [Principal], resource: [Secret, Environment], context: Context };
action "secret:list", "secret:explain"
  appliesTo { principal: [Principal], resource: [Secret, Environment], context: Context };
action "secret:rewrap"
  appliesTo { principal: [Principal], resource: [Environment], context: Context };
action "audit:read", "policy:read", "policy:write"
  appliesTo { principal: [Principal], resource: [Tenant], context: Context };
"""
"""`Path::"prod/payments"` is the secret of that path and everything below it in one environment,
`Path::"*/payments"` the same in every environment."""


@cache
def schema() -> cedarpy.Schema:
    """The schema, parsed at its first use."""
    return cedarpy.Schema.from_str(SCHEMA)
