"""The page and what it asks: one film in, a prediction and two pictures out, nothing kept.

Only this machine reaches it, and of the pages in its browser only this one. A name in `Host` that is not in `HOSTS` is
refused, so that no foreign name leads here (DNS rebinding); so is a film that a page from elsewhere sends, which a
browser tells by `Origin` and `Sec-Fetch-Site` and no program does. The port in `Host` may be any, since
`ssh -L 9000:127.0.0.1:7860` brings its own.
"""

import asyncio
import base64
import hashlib
import io
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pneumonia.commands.serving import refuse_taken, tell_failures
from pneumonia.commands.uploads import FILMS_AT_ONCE, read_at_most
from pneumonia.errors import UserError
from pneumonia.inference.overlay import show_evidence
from pneumonia.inference.predictor import MAX_BYTES, Predictor
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph
from pneumonia.registry.version_files import name_in, registered_model

Said = str | float | tuple[float, float]

LONGEST_SIDE = 1024
"""The longest side of the pictures that are shown, in pixels."""

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""The names under which the page answers, at any port."""

PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")


def serve(address: str, port: int) -> None:
    """Serve the page for the registered model at `address`, to this machine alone, until it is interrupted.

    Raises:
        UserError: a model that cannot be had, or a port that is in use.
    """
    refuse_taken("127.0.0.1", port)
    with registered_model(address) as (directory, version):
        predictor = Predictor.load(directory)
        # For Grad-CAM, which takes Keras' seconds: most of them pass before the first film comes.
        threading.Thread(target=_load_keras, args=[predictor], daemon=True).start()
        print(f"http://127.0.0.1:{port}")
        app = make_app(predictor, f"{name_in(address)} version {version}")
        uvicorn.run(app, port=port, log_level="warning", headers=_headers())


def make_app(predictor: Predictor, model: str) -> FastAPI:
    """The page at `/`; `/answer` takes the bytes of a film and gives JSON.

    Its keys: `label`, `probability`, `threshold` and `remark` (see `predictor.Prediction`), `uncertain` where the
    decision has a film not answered, `model` as given here, `notice`, what its decision has for its users, `film` and
    `overlay` (see `overlay.show_evidence`) as PNG in base64,
    and `evidence`, what the overlay shows, or why it shows the film alone. With `?evidence=false` it has neither of the
    last two, which may take seconds the first time. Else `detail` has the reason. A film that
    cannot be used gets status 400, one from the page of another site 403, one that does not arrive in time 408, one
    that is too long 413, and whatever fails unforeseen 500.
    """
    app = FastAPI(title="pneumonia", openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)
    tell_failures(app)
    turn = asyncio.Semaphore(FILMS_AT_ONCE)

    @app.get("/", response_class=HTMLResponse)
    async def show_page() -> str:
        return PAGE

    @app.post("/answer", dependencies=[Depends(_refuse_other_sites)])  # the address that programs know
    async def predict(request: Request, evidence: bool = True) -> dict[str, Said]:
        async with turn:
            data = await read_at_most(request, MAX_BYTES)
            try:
                return await run_in_threadpool(_predict, predictor, model, data, evidence)
            except UnreadableRadiograph as error:
                raise HTTPException(400, f"no film: {error}") from error

    return app


def _load_keras(predictor: Predictor) -> None:
    if predictor.decision.localization is None:
        with suppress(UserError):  # which whoever asks is told
            predictor.keras_model()


def _headers() -> list[tuple[str, str]]:
    """What a browser is told with each answer: the page's own script and style run and no other, nobody frames it."""
    policy = {
        "default-src": "'none'",
        **{f"{tag}-src": f"'sha256-{_sha256_within(tag)}'" for tag in ("script", "style")},
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return [
        ("Content-Security-Policy", "; ".join(f"{what} {whence}" for what, whence in policy.items())),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]


def _sha256_within(tag: str) -> str:
    """The SHA-256, in base64, of what stands in the page within its one `tag`."""
    within = PAGE.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return base64.b64encode(hashlib.sha256(within.encode()).digest()).decode()


async def _refuse_other_sites(request: Request) -> None:
    """Refuse what a browser sends for another page than this one, before the body is read."""
    origin, host = request.headers.get("origin"), request.headers["host"]
    site = request.headers.get("sec-fetch-site", "none")
    if origin not in (None, f"http://{host}", f"https://{host}") or site not in ("same-origin", "none"):
        raise HTTPException(403, f"sent by the page of another site ({origin or site}), which may not ask")


def _predict(predictor: Predictor, model: str, data: bytes, with_evidence: bool) -> dict[str, Said]:
    film = read_radiograph(data)
    [prediction] = predictor.predict_films([film])
    shown = Image.fromarray(film.pixels)
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    pixels = np.asarray(shown)
    answer: dict[str, Said] = {
        "label": prediction.label,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "remark": prediction.remark,
        **({"uncertain": prediction.uncertain} if prediction.uncertain else {}),
        "model": model,
        "notice": predictor.decision.notice or "",
        "film": _png(pixels),
    }
    if not with_evidence:
        return answer
    evidence = "Grad-CAM" if prediction.boxes is None else f"boxes: {len(prediction.boxes)}"
    try:
        overlay = show_evidence(predictor, prediction, film.pixels, pixels)
    except UserError as error:  # the prediction does not need it
        evidence, overlay = f"none: {error}", pixels
    return answer | {"evidence": evidence, "overlay": _png(overlay)}


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
