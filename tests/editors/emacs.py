"""A real Emacs in a terminal, with eglot or lsp-mode. It is asked over its own server."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

from editors.neovim import EDITORS
from editors.terminal import Terminal
from editors.waiting import kill_server, until

FOLDER = EDITORS / "emacs/usr"

# Packages are as package.el would have put them. This Emacs has no compiler.
EARLY = """
(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil
      inhibit-startup-screen t make-backup-files nil auto-save-default nil create-lockfiles nil
      suggest-key-bindings nil require-final-newline nil mode-require-final-newline nil
      server-socket-dir "{socket}")
(dolist (folder (directory-files "{packages}" t "^[a-z]"))
  (add-to-list 'load-path folder)
  (dolist (file (directory-files folder t "-autoloads\\\\.el$")) (load file nil t)))
(add-hook 'emacs-startup-hook #'server-start)
"""

# The grey text of lsp-mode, without the character before it that it stands behind.
GHOST = """
(let ((one (bound-and-true-p lsp-inline-completion--overlay)))
  (if (overlayp one) (substring-no-properties (or (overlay-get one 'after-string) "")) ""))
"""

# What stands left of it: the line, and what the overlay shows of the character it begins at.
BEHIND = """
(let ((one lsp-inline-completion--overlay))
  (save-excursion
    (goto-char (overlay-start one))
    (concat (buffer-substring-no-properties (line-beginning-position) (point))
            (substring-no-properties (or (overlay-get one 'display) "")))))
"""

STATE = """
(condition-case nil
    (if (bound-and-true-p lsp-mode)
        (gethash "state" (lsp-request "budgetai/status" nil))
      (plist-get (jsonrpc-request (eglot-current-server) :budgetai/status eglot--{}) :state))
  (error ""))
"""


class Emacs:
    """One Emacs in a workspace, with an init file."""

    def __init__(self, folder: Path, workspace: Path, env: dict[str, str], init: str) -> None:
        self.workspace = workspace
        self._socket = folder / "server"
        packages = FOLDER / "share/emacs/site-lisp/elpa-src"
        (folder / "early-init.el").write_text(EARLY.format(packages=packages, socket=folder))
        (folder / "init.el").write_text(init)
        (version,) = (FOLDER / "share/emacs").glob("[0-9]*")
        (programs,) = (FOLDER / "libexec/emacs" / version.name).iterdir()
        (dump,) = programs.glob("*.pdmp")
        env = env | {
            "EMACSDATA": str(version / "etc"),
            "EMACSDOC": str(version / "etc"),
            "EMACSPATH": str(programs),
            "EMACSLOADPATH": str(version / "lisp"),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
        }
        flags = [f"--dump-file={dump}", f"--init-directory={folder}", "-nw"]
        self.terminal = Terminal(workspace, [str(FOLDER / "bin/emacs-nox"), *flags], env)
        until(self._socket.exists, "server of Emacs")

    def lisp(self, code: str) -> Any:
        """Evaluate Lisp in the buffer that is shown. Strings, numbers and nil come back."""
        found = f"(json-serialize (vector (with-current-buffer (window-buffer) {code})))"
        inside = f"(base64-encode-string {found} t)"
        client = str(FOLDER / "bin/emacsclient.emacs")
        command = [client, "-s", str(self._socket), "--eval", inside]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(base64.b64decode(done.stdout.strip().strip('"')))[0]

    def open(self, path: Path) -> None:
        self.terminal.keys("C-x", "C-f", "C-a", "C-k")
        self.terminal.type(f"{path}\r")
        until(lambda: self.lisp("(buffer-file-name)") == str(path), str(path))
        until(lambda: self.lisp(STATE) not in ("", "starting"), "state")
        self.terminal.keys("M->")

    def type(self, text: str) -> None:
        self.terminal.type(text)

    def text(self) -> str:
        return str(self.lisp("(buffer-substring-no-properties (point-min) (point-max))"))

    def ghost(self, *words: str) -> str:
        def shown() -> str:
            text = str(self.lisp(GHOST))
            return text if text and all(word in text for word in words) else ""

        try:
            return until(shown, f"grey text with {words}")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.terminal.screen()}") from error

    def behind(self) -> str:
        return str(self.lisp(BEHIND))

    def shows_nothing(self) -> bool:
        return bool(self.lisp(GHOST) == "")

    def says(self, words: str) -> None:
        told = '(with-current-buffer "*Messages*" (buffer-string))'
        until(lambda: words in self.lisp(told), f"'{words}' among the messages")

    def take(self, words: str) -> None:
        """Put in what completion-at-point offers; it asks only where it is told to."""

        def put_in() -> bool:
            self.terminal.keys("M-Tab")
            return self.terminal.soon(lambda screen: words in self.text().splitlines()[-1])

        until(put_in, f"'{words}' in the text")

    def press(self, action: str) -> None:
        if action == "accept":
            before = self.text()
            self.terminal.keys("M-Enter")
            until(lambda: self.text() != before, "accepted text")
        elif action == "save":
            self.terminal.keys("C-x", "C-s")
            until(lambda: not self.lisp("(if (buffer-modified-p) 1 0)"), "saved file")
        else:
            self.terminal.keys({"undo": "C-_", "delete": "BSpace"}[action])

    def docstring(self) -> None:
        """With nothing else offered, both go ahead."""
        eglot = self.lisp("(if (bound-and-true-p lsp-mode) 0 1)")
        command = "eglot-code-action-rewrite" if eglot else "lsp-execute-code-action"
        self.terminal.keys("M-x")
        self.terminal.type(f"{command}\r")

    def state(self, name: str) -> None:
        """Emacs shows nothing of it: the server is asked."""
        until(lambda: self.lisp(STATE) == name.replace(" ", "-"), f"state {name}")

    def kill_server(self) -> None:
        kill_server(self.terminal.pid())

    def close(self) -> None:
        self.terminal.close()
