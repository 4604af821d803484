"""The server of a bundle: one film in, its answer out, nothing kept."""

import asyncio

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from pneumonia.commands.bundled.contents import Contents, said
from pneumonia.commands.serving import refuse_taken, tell_failures
from pneumonia.commands.uploads import FILMS_AT_ONCE, read_at_most
from pneumonia.inference.predictor import MAX_BYTES, Prediction, Predictor
from pneumonia.radiographs.radiograph import UnreadableRadiograph


def serve(contents: Contents, host: str, port: int) -> None:
    """Serve the bundle's model until it is interrupted.

    Raises:
        UserError: a file of the model is missing or damaged, or a host or port that cannot be had.
    """
    refuse_taken(host, port)
    uvicorn.run(make_app(Predictor.load(contents.model), contents.title), host=host, port=port, log_level="warning")


def make_app(predictor: Predictor, model: str) -> FastAPI:
    """`/predict` takes the bytes of a film by POST; `/health` says which `model` answers, and what its users must know.

    The answer has the fields of `predictor.Prediction`, and `model`. Else `detail` has the reason: a film that cannot
    be used gets status 400, one that does not arrive in time 408, one that is too long 413, and
    whatever fails unforeseen 500.
    """
    app = FastAPI(title="pneumonia", openapi_url=None)
    tell_failures(app)
    turn = asyncio.Semaphore(FILMS_AT_ONCE)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "model": model, "notice": predictor.decision.notice or ""}

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, object]:
        async with turn:
            data = await read_at_most(request, MAX_BYTES)
            prediction = await run_in_threadpool(_answer, predictor, data)
        if not isinstance(prediction, Prediction):
            raise HTTPException(400, f"no film: {prediction}")
        return {**said(prediction), "model": model}

    return app


def _answer(predictor: Predictor, data: bytes) -> Prediction | UnreadableRadiograph:
    [prediction] = predictor.predict_files([data])
    return prediction
