"""The least of HTTP: one JSON request on a connection of its own, which cancelling closes."""

import asyncio
import json
from typing import Any


async def request(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and decoded body. Raises OSError where nobody listens, ValueError for no JSON."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        answer = await reader.read()
    finally:
        writer.close()
    return _decoded(answer)


def _decoded(answer: bytes) -> tuple[int, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        body = _joined(body)
    return int(head.split(b" ", 2)[1]), json.loads(body)


def _joined(chunks: bytes) -> bytes:
    whole = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        whole, chunks = whole + chunks[:length], chunks[length + 2 :]
    return whole
