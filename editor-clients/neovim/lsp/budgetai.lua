-- Found by vim.lsp.config. `setup` in lua/budgetai/init.lua adds what the user chose.
return {
  cmd = { 'budgetai-server' },
  root_markers = { '.git' },
}
