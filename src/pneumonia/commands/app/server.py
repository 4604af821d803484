"""The page and what it asks: one film in, a prediction and two pictures out, nothing kept."""

import base64
import io
import socket
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from pneumonia.errors import UserError
from pneumonia.inference.overlay import show_evidence
from pneumonia.inference.predictor import Predictor
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph
from pneumonia.registry.pyfunc_model import MAX_BYTES
from pneumonia.registry.version_files import registered_model

LONGEST_SIDE = 1024
"""The longest side of the pictures that are shown, in pixels."""


def serve(address: str, port: int) -> None:
    """Serve the page for the registered model at `address`, to this machine alone, until it is interrupted.

    Raises:
        UserError: a model that cannot be had, or a port that is in use.
    """
    with socket.socket() as free:  # before the model is loaded, which takes seconds
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"port {port} cannot be had ({error.strerror}); --port may be another") from error
    with registered_model(address) as (directory, version):
        predictor = Predictor.load(directory)
        name = address.removeprefix("models:/").partition("@")[0].partition("/")[0]
        print(f"http://127.0.0.1:{port}")
        uvicorn.run(make_app(predictor, f"{name} version {version}"), port=port, log_level="warning")


def make_app(predictor: Predictor, model: str) -> FastAPI:
    """The page at `/`; `/answer` takes the bytes of a film and gives JSON.

    Its keys: `label`, `probability`, `threshold` and `remark` (see `predictor.Prediction`), `model` as given here,
    `film` and `overlay` (see `overlay.show_evidence`) as PNG in base64, and `evidence`, what the overlay shows. A film
    that cannot be used gets status 400 with the reason as `detail`, one that is too long 413.
    """
    app = FastAPI(title="pneumonia", openapi_url=None)
    page = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse)
    def show_page() -> str:
        return page

    @app.post("/answer")  # the address that programs know
    async def predict(request: Request) -> dict[str, str | float]:
        data = await _read_at_most(request, MAX_BYTES)
        try:
            return await run_in_threadpool(_predict, predictor, model, data)
        except UnreadableRadiograph as error:
            raise HTTPException(400, f"no film: {error}") from error

    return app


async def _read_at_most(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > limit:
            raise HTTPException(413, f"more than {limit:,} bytes, which no film has")
    return bytes(data)


def _predict(predictor: Predictor, model: str, data: bytes) -> dict[str, str | float]:
    film = read_radiograph(data)
    [prediction] = predictor.predict_films([film])
    shown = Image.fromarray(film.pixels)
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    pixels = np.asarray(shown)
    return {
        "label": prediction.label,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "remark": prediction.remark,
        "model": model,
        "film": _png(pixels),
        "evidence": "Grad-CAM" if prediction.boxes is None else f"boxes: {len(prediction.boxes)}",
        "overlay": _png(show_evidence(predictor, prediction, film.pixels, pixels)),
    }


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
