"""A film that a client sends over HTTP, read within limits of size and time."""

import asyncio

from fastapi import HTTPException, Request

FILMS_AT_ONCE = 4
"""The films that are held and worked on at once. The others wait, unread, in the order in which they came."""

UPLOAD_SECONDS = 120
"""The longest that a film may take to arrive, from its turn on."""


async def read_at_most(request: Request, limit: int) -> bytes:
    """The body. One that is too long is read to its end, though not kept: many clients hear no answer before.

    Raises:
        HTTPException: it is longer than `limit` bytes, or takes longer than `UPLOAD_SECONDS`.
        ClientDisconnect: the client went away.
    """
    data, length = bytearray(), 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > limit:
                    data.clear()
                else:
                    data += part
    except TimeoutError as error:
        raise HTTPException(408, f"the film did not arrive within {UPLOAD_SECONDS} seconds") from error
    if length > limit:
        raise HTTPException(413, f"more than {limit:,} bytes, which no film has")
    return bytes(data)
