"""An Ollama Modelfile: where the model is, how its prompts are laid out, and where it stops.

Ollama gives the text before the cursor as `.Prompt` and the text after it as `.Suffix`. The
template puts the text after the cursor first, as the model was tuned.
"""

from budgetai_convert.options import PROGRAM
from budgetai_core.artifacts.gguf_header import Metadata, unpack
from budgetai_core.context.prompt import Markers
from budgetai_core.models import gguf_tokenizer

_CONTEXT = 2048


def modelfile(metadata: Metadata, model: str, adapter: str = "") -> str:
    """Return the text of a Modelfile; `model` and `adapter` are names of files beside it."""
    marked = gguf_tokenizer.mark(metadata)
    tokens = unpack(metadata[gguf_tokenizer.TOKENS])
    lines = [f"# Written by {PROGRAM}.", f"FROM ./{model}"]
    lines += [f"ADAPTER ./{adapter}"] if adapter else []
    lines.append(f'TEMPLATE """{template(marked.markers, tokens)}"""')
    lines += [f"PARAMETER num_ctx {_CONTEXT}", "PARAMETER temperature 0"]
    lines += [f'PARAMETER stop "{text}"' for text in _stops(marked.markers, tokens)]
    return "\n".join(lines) + "\n"


def template(markers: Markers, tokens: list[str]) -> str:
    """Return the fill-in-the-middle template of a vocabulary; without such tokens its file
    separator stands before each part; without that the text before the cursor alone."""
    if markers.prefix is not None and markers.suffix is not None and markers.middle is not None:
        prefix, suffix, middle = (
            tokens[marker] for marker in (markers.prefix, markers.suffix, markers.middle)
        )
        around = f"{prefix}{suffix}{{{{ .Suffix }}}}{middle}{{{{ .Prompt }}}}"
        return f"{{{{ if .Suffix }}}}{around}{{{{ else }}}}{{{{ .Prompt }}}}{{{{ end }}}}"
    if markers.file is not None:
        separator = tokens[markers.file]
        return f"{separator}{{{{ .Suffix }}}}{separator}{{{{ .Prompt }}}}"
    return "{{ .Prompt }}"


def _stops(markers: Markers, tokens: list[str]) -> list[str]:
    marker_ids = (markers.end, markers.file, markers.repository, markers.prefix, markers.middle)
    return [tokens[marker] for marker in marker_ids if marker is not None]
