---@brief
---
--- BudgetAI completes code with a small model that was tuned on your repository, on this machine.
---
--- Install it with `uv tool install "budgetai[server]"` or `pipx install "budgetai[server]"`, and make
--- a model of your repository with `budgetai train` and `budgetai convert`.
---
--- Suggestions are inline completions, which Nvim 0.12 shows as grey text:
--- ```lua
--- vim.lsp.enable('budgetai')
--- vim.lsp.inline_completion.enable()
--- vim.keymap.set('i', '<Tab>', function()
---   if not vim.lsp.inline_completion.get() then return '<Tab>' end
--- end, { expr = true, desc = 'accept the grey text' })
--- ```

---@type vim.lsp.Config
return {
  cmd = { 'budgetai-server' },
  filetypes = {
    'bash',
    'c',
    'cpp',
    'cs',
    'go',
    'java',
    'javascript',
    'javascriptreact',
    'kotlin',
    'lua',
    'php',
    'python',
    'ruby',
    'rust',
    'sh',
    'typescript',
    'typescriptreact',
  },
  root_markers = { '.git' },
}
