"""`/api/v1/openapi.json`: what the API says of itself."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse

from .routes import Routes

routes = Routes("About the API")


@routes.get("/openapi.json", needs=None, summary="Get this document", response_class=JSONResponse)
async def get_openapi_document(request: Request) -> JSONResponse:
    """OpenAPI 3.1. It holds no secrets, so anybody may read it."""
    return JSONResponse(request.app.openapi())
