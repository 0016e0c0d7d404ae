-- Plugin managers take this repository whole, and look for plugins at its root. Ours lies in a folder.
local root = vim.fs.dirname(vim.fs.dirname(vim.fs.normalize(debug.getinfo(1, 'S').source:sub(2))))
local folder = root .. '/editor-clients/neovim'
vim.opt.runtimepath:append(folder)
vim.cmd.source({ folder .. '/plugin/budgetai.lua', magic = { file = false } })
