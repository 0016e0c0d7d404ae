"""The options of `budgetai-server`, which an editor may send, too."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds, check_ranges, option

# A token takes 12 to 30 kB of KV cache with the models we know.
_MAX_KV_CELLS = 262_144


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the language server behaves."""

    REMOVED = MappingProxyType(
        {
            "max_entropy": "Use --min-confidence, which hides unlikely answers",
            "endpoint_retries": "The server is asked up to twice more within --endpoint-timeout",
            "endpoint_dialect": "What the server speaks is found when it is first asked",
            "max_file": "Documents of more than 4,000,000 characters get no completion",
        }
    )
    model: Path | None = option(
        None,
        "GGUF file or bundle folder to serve, or the name of a base; without it, the"
        " newest one made for the workspace",
    )
    adapter: str = option(
        "",
        "adapter of a bundle to use for all completions, or none for its base alone; without it,"
        " the one that fits the language and the workspace",
        unit="name",
    )
    adapter_scale: float = option(
        1.0,
        "how strongly adapters of a bundle change its base",
        unit="factor",
        group="what is shown",
    )
    language: tuple[str, ...] = option(
        (),
        "the language of an ending or a file name, where nobody knows it, as st=Structured Text",
        unit="ext=name",
        group="what is shown",
    )
    latency_ms: int = option(
        300,
        "what a completion may take at a place just typed at; with the measured speed it decides"
        " how much context is shown and how long answers are",
        unit="ms",
        low=20,
        high=60_000,
    )
    prompt_tokens: int = option(
        0,
        "longest prompt; 0 takes what the latency allows",
        unit="tokens",
        group="speed and memory",
    )
    answer_tokens: int = option(
        0,
        "longest completion; 0 takes what the latency allows",
        unit="tokens",
        group="speed and memory",
    )
    context_tokens: int = option(
        2048,
        "size of the KV cache of one place",
        unit="tokens",
        group="speed and memory",
        low=256,
        high=131_072,
    )
    sequences: int = option(
        4,
        "places kept warm in KV caches of their own",
        unit="places",
        group="speed and memory",
        low=1,
        high=64,
    )
    threads: int = option(
        0,
        "threads for the model; 0 takes what OMP_NUM_THREADS says, or the physical cores, less one"
        " in four from four on",
        unit="threads",
        group="speed and memory",
        low=0,
        high=1024,
    )
    gpu_layers: int = option(
        -1,
        "layers put on a GPU; -1 puts all there if the installed build has one",
        unit="layers",
        group="speed and memory",
        low=-1,
        high=10_000,
    )
    multiline: str = option(
        "auto",
        "complete a whole block where one has just been opened; auto if it can be done in four"
        " times the latency",
        choices=("auto", "on", "off"),
    )
    speculate: bool = option(
        True,
        "check drafts from the repository: faster, and the same but for near ties",
        group="speed and memory",
    )
    min_confidence: float = option(
        0.5,
        "say nothing where the mean probability of the first tokens is less",
        unit="0 to 1",
        group="what is shown",
        low=0,
        high=1,
    )
    endpoint: str = option(
        "",
        "address of a llama-server or vLLM that runs the model instead of this machine",
        unit="URL",
        trusted_only=True,
    )
    endpoint_model: str = option(
        "",
        "model or adapter on that server; without it, its first model and all adapters as they are",
        unit="name",
        trusted_only=True,
        group="a server for a team",
    )
    endpoint_timeout: Seconds = option(
        Seconds(10),
        "longest wait for an answer to begin or to go on",
        unit="time",
        trusted_only=True,
        group="a server for a team",
        low=Seconds(0.1),
        high=Seconds(600),
    )
    token_file: Path | None = option(
        None,
        "file with the server's token, readable by you alone; without it, BUDGETAI_TOKEN",
        unit="file",
        trusted_only=True,
        group="a server for a team",
    )
    ca_file: Path | None = option(
        None,
        "PEM file of the authority that signed the server's certificate",
        unit="file",
        trusted_only=True,
        group="a server for a team",
    )
    in_strings: bool = option(True, "complete inside of strings", group="what is shown")
    in_comments: bool = option(
        True,
        "complete inside of comments and docstrings; there too only what is likely is shown",
        group="what is shown",
    )
    code_lens: bool = option(
        False, "show above each definition without a docstring that one can be written"
    )
    next_edits: bool = option(
        True,
        "propose to repeat what was just edited where the same stands again, in editors that ask"
        " for next edits",
        group="what is shown",
    )
    mid_line: bool = option(
        False,
        "complete where more than closing marks stands right of the cursor",
        group="what is shown",
    )
    ignore: tuple[str, ...] = option(
        (),
        "more files that get no completion, as in .gitignore; files of secrets such as .env and"
        " *.pem, and what .budgetaiignore names, get none, and !NAME takes one of secrets back",
        unit="pattern",
    )
    usage: bool = option(
        True, "keep counts and latencies of what was shown and accepted, on this machine; no code"
    )
    trust_workspace_model: bool = option(
        False,
        "load a model file that lies inside the workspace",
        trusted_only=True,
        group="what is shown",
    )
    log_level: str = option(
        "info",
        "what goes to stderr",
        choices=("debug", "info", "warning", "error"),
        trusted_only=True,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if not 0 <= self.answer_tokens <= self.context_tokens // 2:
            raise OptionError(
                f"--answer-tokens {self.answer_tokens}", "Use at most half of --context-tokens"
            )
        if not (self.prompt_tokens == 0 or 128 <= self.prompt_tokens <= self.context_tokens):
            raise OptionError(
                f"--prompt-tokens {self.prompt_tokens}", "Use 0, or 128 to --context-tokens"
            )
        if self.sequences * self.context_tokens > _MAX_KV_CELLS:
            raise OptionError(
                f"{self.sequences} sequences of {self.context_tokens} tokens",
                f"Use {_MAX_KV_CELLS} tokens in all at most",
            )
