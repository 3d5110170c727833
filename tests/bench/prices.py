"""List prices in US dollars, us-east-1, from AWS's price pages in 2026."""

from typing import Final

MILLION: Final = 1_000_000
GB: Final = 1_000_000_000

REST_API_CALL: Final = 3.50 / MILLION
LAMBDA_CALL: Final = 0.20 / MILLION
LAMBDA_ARM_GB_SECOND: Final = 13.33 / MILLION
DYNAMODB_READ_UNIT: Final = 0.125 / MILLION
DYNAMODB_WRITE_UNIT: Final = 0.625 / MILLION
KINESIS_ON_DEMAND_GB: Final = 0.08
FIREHOSE_GB: Final = 0.029
LOGS_GB: Final = 0.50
SECRETS_MANAGER_CALL: Final = 5.00 / MILLION

READ_UNIT_BYTES: Final = 4096
"""A strongly consistent read costs a unit for each 4 KB begun, of each item."""
WRITE_UNIT_BYTES: Final = 1024
"""A write costs a unit for each KB begun, of each item."""
KINESIS_ROUNDING: Final = 1024
FIREHOSE_ROUNDING: Final = 5 * 1024
"""Both round each record up."""
LAMBDA_CORE_MB: Final = 1769
"""Memory at which a function has one whole core."""
