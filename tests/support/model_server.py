"""A small real HTTP server that speaks llama-server's words and vLLM's, and fails on demand.

Its model knows texts by heart: it goes on with the first one that begins with what stands behind
the middle marker. A character is a token, so that everything it is sent can be read back.
"""

import json
import select
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAMES = [
    "<|endoftext|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
]
_FIRST = 100
PATHS = {
    "llama": {"/props", "/lora-adapters", "/v1/models", "/tokenize", "/completion"},
    "vllm": {"/v1/models", "/tokenize", "/v1/completions"},
    "plain": {"/v1/models", "/v1/completions"},
}
# A key made for these tests; it guards nothing.
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgB5ClnmpU9sigFv7z
6ND2lQ5nXpEkn3jEUTqY1Lm064ChRANCAAQkywPhJy0zVXs/FWh4l3PFzFIdaqbp
jcN40Wpa38AjgS6vgV5UHopuBwANzdDHz2jJzg4nR606XgVJRPLUijxc
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBpTCCAUugAwIBAgIUGeXplybFNLVVGBQcVNRCTUScI+QwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOQnVkZ2V0QUkgdGVzdHMwIBcNMjYxMTIyMTEyODE5WhgPMjEy
NjEwMjkxMTI4MTlaMBkxFzAVBgNVBAMMDkJ1ZGdldEFJIHRlc3RzMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEJMsD4SctM1V7PxVoeJdzxcxSHWqm6Y3DeNFqWt/A
I4Eur4FeVB6KbgcADc3Qx89oyc4OJ0etOl4FSUTy1Io8XKNvMG0wHQYDVR0OBBYE
FLs1bwqs9TGDDYspHUWSJWenYVTyMB8GA1UdIwQYMBaAFLs1bwqs9TGDDYspHUWS
JWenYVTyMBoGA1UdEQQTMBGHBH8AAAGCCWxvY2FsaG9zdDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIBPTu7k6lwENleao9XFCXEiwrj24XaCZaW2x
LdezpG9sAiEAslfBFdYS+FtFiU29/HDG4lorHlX2W4KasEsSIeNGVDA=
-----END CERTIFICATE-----
"""

Fault = Callable[["Handler"], None]


def tokens_of(text: str, *, special: bool) -> list[int]:
    ids = []
    while text:
        name = next((name for name in NAMES if special and text.startswith(name)), None)
        ids.append(NAMES.index(name) if name else ord(text[0]) + _FIRST)
        text = text[len(name or "x") :]
    return ids


def text_of(ids: list[int]) -> str:
    return "".join(NAMES[i] if i < _FIRST else chr(i - _FIRST) for i in ids)


class ModelServer(ThreadingHTTPServer):
    """`kind` is llama, vllm or plain. `faults` by path are taken before a right answer is given,
    one for a request. What came is in `seen`; `gone` is set when a client hangs up."""

    daemon_threads = True

    def __init__(self, kind: str, *texts: str, context: int = 4096) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind, self.texts, self.context = kind, texts, context
        self.models = ["base", "team-adapter"]
        self.adapters: list[dict[str, Any]] = []
        self.token = ""
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[tuple[str, Any]] = []
        self.headers: list[Any] = []
        self.connections = 0
        self.arrived, self.gone = threading.Event(), threading.Event()
        self.scheme = "http"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def encrypt(self, folder: Path) -> Path:
        """Speak TLS from now on. Returns the file of the authority."""
        file = folder / "server.pem"
        file.write_text(KEY + CERTIFICATE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"
        authority = folder / "authority.pem"
        authority.write_text(CERTIFICATE)
        return authority

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not news."""

    def asked(self, path: str) -> list[Any]:
        return [body for seen, body in self.seen if seen == path]

    def prompts(self) -> list[str]:
        """All prompts that were to be gone on with, as text."""
        bodies = self.asked("/completion") + self.asked("/v1/completions")
        prompts = [body["prompt"] for body in bodies if body.get("stream")]
        return [p if isinstance(p, str) else text_of(p) for p in prompts]

    def says(self, prompt: str, begin_with: str = "") -> str:
        before = prompt.rpartition("<|fim_middle|>")[2]
        known = (text for text in self.texts if text.startswith(before + begin_with))
        return next((text[len(before) :] for text in known), begin_with)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _serve(self, body: Any) -> None:
        self.body = body
        self.server.seen.append((self.path, body))
        self.server.headers.append(self.headers)
        faults = self.server.faults.get(self.path)
        if faults:
            faults.pop(0)(self)
        elif self.server.token and self.headers["authorization"] != f"Bearer {self.server.token}":
            echoed = f"Invalid key: {self.headers['authorization']}"
            self.json({"error": {"message": echoed}}, 401)
        elif self.path not in PATHS[self.server.kind]:
            self.json({"detail": "Not Found"}, 404)
        else:
            getattr(self, self.path.rpartition("/")[2].replace("-", "_"))()

    def props(self) -> None:
        self.json({"default_generation_settings": {"n_ctx": self.server.context}})

    def lora_adapters(self) -> None:
        self.json(self.server.adapters)

    def models(self) -> None:
        size = {"max_model_len": self.server.context}
        self.json({"data": [{"id": name, **size} for name in self.server.models]})

    def tokenize(self) -> None:
        llama = self.server.kind == "llama"
        text = self.body["content" if llama else "prompt"]
        # As in vLLM, nothing can keep the tokenizer from parsing names.
        ids = tokens_of(text, special=self.body["parse_special"] if llama else True)
        if self.body.get("with_pieces"):
            self.json({"tokens": [{"id": i, "piece": text_of([i])} for i in ids]})
        else:
            self.json({"tokens": ids})

    def completion(self) -> None:
        """llama-server's own."""
        literal = self.body.get("grammar", "").removeprefix("root ::= ").removesuffix(" .*")
        held = json.loads(literal.replace(r"\x", r"\u00")) if literal else ""
        said = self.server.says(text_of(self.body["prompt"]), held)[: self.body["n_predict"]]
        counts = {"prompt_n": len(self.body["prompt"]) - 3}
        self.begin()
        for count, char in enumerate(said, 1):
            self.event(
                content=char,
                tokens=[ord(char) + _FIRST],
                stop=False,
                timings=counts | {"predicted_n": count},
                completion_probabilities=[{"logprob": -0.5}],
            )
        self.event(content="", tokens=[], stop=True, timings=counts | {"predicted_n": len(said)})
        self.end()

    def completions(self) -> None:
        """OpenAI's."""
        prompt = self.body["prompt"]
        ids = tokens_of(prompt, special=True) if isinstance(prompt, str) else prompt
        if self.body["model"] not in self.server.models:
            message = f"The model {self.body['model']} does not exist"
            return self.json({"error": {"message": message}}, 404)
        usage = {"prompt_tokens": len(ids), "prompt_tokens_details": {"cached_tokens": 3}}
        if not self.body.get("stream"):
            return self.json({"choices": [{"text": "x"}], "usage": usage})
        self.begin()
        for char in self.server.says(text_of(ids))[: self.body["max_tokens"]]:
            logprobs = {"tokens": [char], "token_logprobs": [-0.5]}
            self.event(choices=[{"text": char, "logprobs": logprobs}])
        self.event(choices=[], usage=usage)
        self.chunk(b"data: [DONE]\n\n")
        return self.end()

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.reply(json.dumps(value), status, "application/json", **headers)

    def reply(self, text: str, status: int, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def event(self, **fields: Any) -> None:
        # As llama.cpp writes it: in UTF-8, with a U+2028 as it is.
        self.chunk(f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode())

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def wait_for_end(self) -> None:
        """Say nothing more until the client hangs up."""
        self.server.arrived.set()
        while select.select([self.connection], [], [], 10)[0]:
            if not self.connection.recv(1):
                self.server.gone.set()
                break
        self.close_connection = True
