"""Serves the OpenAPI document as it was committed: nothing is generated, and nothing loaded, before it is asked for."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Depends, Response

from .requests import nothing_else

DOCUMENT: Final = "openapi.json"

router = APIRouter()


@router.get("/openapi.json", include_in_schema=False, dependencies=[Depends(nothing_else)])
async def serve() -> Response:
    """The document."""
    return Response(files(__package__).joinpath(DOCUMENT).read_bytes(), media_type="application/json")
