"""Random values, made inside so that nobody has to see them."""

import secrets
import string
from typing import Final

from . import limits
from .errors import InvalidRequest, Violation
from .values import SecretValue

DEFAULT_ALPHABET: Final = string.ascii_letters + string.digits
DEFAULT_LENGTH: Final = 32


def generate(*, length: int = DEFAULT_LENGTH, alphabet: str = DEFAULT_ALPHABET) -> SecretValue:
    """Draw each character uniformly from the alphabet with the system's random source.

    Raises:
        InvalidRequest: the length or the alphabet breaks its rule.
    """
    violations = []
    if not limits.MIN_GENERATED_LENGTH <= length <= limits.MAX_GENERATED_LENGTH:
        rule = f"must be {limits.MIN_GENERATED_LENGTH} to {limits.MAX_GENERATED_LENGTH}"
        violations.append(Violation("generate.length", rule))
    if (
        len(alphabet) > limits.MAX_ALPHABET
        or len(set(alphabet)) < limits.MIN_ALPHABET
        or len(set(alphabet)) < len(alphabet)
    ):
        rule = f"must be {limits.MIN_ALPHABET} to {limits.MAX_ALPHABET} different characters"
        violations.append(Violation("generate.alphabet", rule))
    if violations:
        raise InvalidRequest(violations)
    return SecretValue.from_text("".join(secrets.choice(alphabet) for _ in range(length)), field="generate.alphabet")
