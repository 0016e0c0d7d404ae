"""The options of `budgetai-server`, which an editor may send, too."""

from dataclasses import dataclass
from pathlib import Path

from budgetai_core.errors import OptionError
from budgetai_core.options import Seconds, flag_name, option

# A token takes 12 to 30 kB of KV cache with the models we know.
_MOST_CELLS = 262_144


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the language server behaves."""

    model: Path | None = option(
        None,
        "GGUF file or bundle folder to serve; without it, the newest one made for the workspace",
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
    latency_ms: int = option(
        300,
        "what a completion may take at a place just typed at; with the measured speed it decides"
        " how much context is shown and how long answers are",
        unit="ms",
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
        2048, "size of the KV cache of one place", unit="tokens", group="speed and memory"
    )
    sequences: int = option(
        4, "places kept warm in KV caches of their own", unit="places", group="speed and memory"
    )
    threads: int = option(
        0,
        "threads for the model; 0 takes what OMP_NUM_THREADS says, or the physical cores, less one"
        " in four from four on",
        unit="threads",
        group="speed and memory",
    )
    gpu_layers: int = option(
        -1,
        "layers put on a GPU; -1 puts all there if the installed build has one",
        unit="layers",
        group="speed and memory",
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
    )
    max_entropy: float = option(
        100.0,
        "say nothing where the mean entropy of the first tokens is more; not with an endpoint",
        unit="nats",
        group="what is shown",
    )
    endpoint: str = option(
        "",
        "address of a llama-server or vLLM that runs the model instead of this machine",
        unit="URL",
        trusted_only=True,
    )
    endpoint_model: str = option(
        "",
        "model on that server, or on vLLM an adapter; without it, the server's first",
        unit="name",
        trusted_only=True,
        group="a server for a team",
    )
    endpoint_dialect: str = option(
        "auto",
        "what the server speaks",
        choices=("auto", "llama-server", "openai"),
        trusted_only=True,
        group="a server for a team",
    )
    endpoint_timeout: Seconds = option(
        Seconds(10),
        "longest wait for an answer to begin or to go on",
        unit="time",
        trusted_only=True,
        group="a server for a team",
    )
    endpoint_retries: int = option(
        2,
        "tries after the first, while nothing has been answered",
        unit="tries",
        trusted_only=True,
        group="a server for a team",
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
    max_file: int = option(
        4_000_000, "larger documents get no completion", unit="characters", group="what is shown"
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
        if not 256 <= self.context_tokens <= 131072:
            raise OptionError(f"a context of {self.context_tokens} tokens", "Use 256 to 131072")
        if not 0 <= self.answer_tokens <= self.context_tokens // 2:
            raise OptionError(
                f"answers of {self.answer_tokens} tokens", "Use at most half of the context"
            )
        if not (self.prompt_tokens == 0 or 128 <= self.prompt_tokens <= self.context_tokens):
            raise OptionError(
                f"prompts of {self.prompt_tokens} tokens", "Use 128 to the size of the context"
            )
        if self.sequences * self.context_tokens > _MOST_CELLS:
            raise OptionError(
                f"{self.sequences} sequences of {self.context_tokens} tokens",
                f"Use {_MOST_CELLS} tokens in all at most",
            )
        self._check_ranges()

    def _check_ranges(self) -> None:
        """Each number has a range of its own; what lies outside is a slip."""
        for name, low, high in (
            ("latency_ms", 20, 60_000),
            ("sequences", 1, 64),
            ("threads", 0, 1024),
            ("gpu_layers", -1, 10_000),
            ("min_confidence", 0, 1),
            ("max_entropy", 0, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{flag_name(name)} {value}", f"Use {low} to {high}")
