"""The settings of the VS Code extension are the server's options."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent.parent / "editor-clients/vscode"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("settings", FOLDER / "settings.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_they_are_up_to_date() -> None:
    assert not script().stale(), "run python editor-clients/vscode/settings.py"


def test_no_workspace_chooses_what_is_run_or_where_code_goes() -> None:
    package = json.loads((FOLDER / "package.json").read_text())
    settings = package["contributes"]["configuration"]["properties"]
    restricted = package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    for name in ("endpoint", "tokenFile", "caFile", "trustWorkspaceModel", "package"):
        assert settings[f"budgetai.{name}"]["scope"] == "machine"
    assert {"budgetai.serverPath", "budgetai.model"} <= set(restricted)


def test_settings_have_types_defaults_and_words() -> None:
    package = json.loads((FOLDER / "package.json").read_text())
    settings = package["contributes"]["configuration"]["properties"]
    kinds = {"string": str, "boolean": bool, "integer": int, "number": int | float, "array": list}
    for name, setting in settings.items():
        assert len(setting["description"]) > 10, name
        assert isinstance(setting["default"], kinds.get(setting["type"], dict)), name
    assert settings["budgetai.multiline"]["enum"] == ["auto", "on", "off"]


def test_each_command_of_the_menu_is_declared() -> None:
    package = json.loads((FOLDER / "package.json").read_text())
    declared = {setting["command"] for setting in package["contributes"]["commands"]}
    menu = (FOLDER / "src/menu.ts").read_text()
    used = {word.strip("',") for word in menu.split() if word.startswith("'budgetai.")}
    assert used and used <= declared
    for name in declared:
        short = name.removeprefix("budgetai.")
        assert f"    {short}" in (FOLDER / "src/extension.ts").read_text(), name


def test_the_registries_of_extensions_take_it() -> None:
    """What Open VSX checks of a manifest when it is published, and what people search by; `vsce`
    checks its own when the package is made."""
    manifest = json.loads((FOLDER / "package.json").read_text())
    for key in ("publisher", "name"):
        assert re.fullmatch(r"[\w$+~-]{1,255}", manifest[key])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    texts = [manifest[key] for key in ("displayName", "license")]
    texts += [*manifest["categories"], *manifest["keywords"]]
    assert all(0 < len(text) <= 255 for text in texts)
    assert 0 < len(manifest["description"]) <= 2048
    assert all(text.isprintable() for text in [*texts, manifest["description"]])
    for key in ("repository", "homepage", "bugs"):
        link = manifest.get(key, "")
        address = link if isinstance(link, str) else link["url"]
        assert not address or address.startswith("https://")
    assert (FOLDER / manifest["icon"]).suffix == ".png"
