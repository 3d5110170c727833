"""Identifiers, made from a time and random bytes that are passed in."""

from datetime import UTC, datetime


def uuid7(now: datetime, randomness: bytes) -> str:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then randomness (10 bytes)."""
    value = (int(now.timestamp() * 1000) & ((1 << 48) - 1)) << 80 | int.from_bytes(randomness[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7_time(text: str) -> datetime:
    """When a UUID version 7 was made, to the millisecond."""
    milliseconds = int(text[:8] + text[9:13], 16)
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def secret_id(randomness: bytes) -> str:
    """A secret's id: `sec_` and 96 random bits as hex in the seed's grouping (12 bytes)."""
    text = randomness[:12].hex()
    return f"sec_{text[:4]}-{text[4:8]}-{text[8:12]}-{text[12:]}"


def random_name(randomness: bytes) -> str:
    """A random name for a chain or a key: 128 bits as hex (16 bytes)."""
    return randomness[:16].hex()


def grant_id(now: datetime, randomness: bytes) -> str:
    """The id of a request for a grant: `bg_` and a UUID version 7, so that ids are in the order of their time."""
    return f"bg_{uuid7(now, randomness)}"
