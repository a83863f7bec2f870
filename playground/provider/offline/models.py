"""Which models the embedded provider offers: those of the catalog that are still running."""

from __future__ import annotations

from typing import Any

from playground import catalog, pricing
from playground.catalog import Model
from playground.errors import UnknownModel
from playground.provider.offline.wire import ApiError


def image_model(name: Any) -> Model:
    """The picture model of that name; raises ApiError as the real API does."""
    model = _model(name)
    if model.kind != "image":
        message = f"The model '{name}' does not make images; it cannot be used with this endpoint."
        raise ApiError(400, message, param="model", code="invalid_value")
    return model


def vision_model(name: Any) -> Model:
    """The text model of that name; raises ApiError as the real API does."""
    model = _model(name)
    if model.kind != "vision":
        message = f"The model '{name}' is not supported with this endpoint."
        raise ApiError(400, message, param="model", code="model_not_supported")
    return model


def _model(name: Any) -> Model:
    if not isinstance(name, str) or not name:
        message = "you must provide a model parameter"
        raise ApiError(400, message, param="model", code="missing_required_parameter")
    try:
        model = catalog.default().model(name)
    except UnknownModel:
        message = f"The model '{name}' does not exist or you do not have access to it."
        raise ApiError(404, message, param="model", code="model_not_found") from None
    if model.retired(pricing.today()):
        instead = f" Use '{model.replacement}' instead." if model.replacement else ""
        message = f"The model '{name}' was shut down on {model.retires}.{instead}"
        raise ApiError(404, message, param="model", code="model_not_found")
    return model


def listing() -> dict[str, Any]:
    """The document of `GET /v1/models`."""
    day = pricing.today()
    data = [
        {
            "id": model.name,
            "object": "model",
            "created": 0,
            "owned_by": model.provider,
        }
        for model in catalog.default().models
        if not model.retired(day)
    ]
    return {"object": "list", "data": data}
