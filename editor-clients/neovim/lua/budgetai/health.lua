-- :checkhealth budgetai
local M = {}

local health = vim.health

local function editor()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 0 then
    health.error('Neovim ' .. version .. ' is too old', 'Use 0.11 or newer')
  elseif require('budgetai').native() then
    health.ok('Neovim ' .. version .. ' shows grey text by itself')
  else
    health.ok('Neovim ' .. version .. '; the plugin shows grey text')
  end
end

local function program(path)
  if vim.fn.executable(path) == 0 then
    health.error(path .. ' is not found', 'Put it on your PATH, or give its path: setup({ cmd = { path } })')
    return
  end
  local done = vim.system({ path, '--version' }, { text = true, timeout = 20000 }):wait()
  local words = vim.trim(done.stdout or '')
  if done.code == 0 then
    health.ok(words .. ': ' .. vim.fn.exepath(path))
  else
    health.error(path .. ' --version fails', vim.trim(done.stderr or ''))
  end
end

local function clients()
  local found = vim.lsp.get_clients({ name = 'budgetai' })
  if #found == 0 then
    health.warn('the server does not run', 'Open a file after require("budgetai").setup()')
  end
  for _, client in ipairs(found) do
    local bufnr = next(client.attached_buffers)
    local state = bufnr and require('budgetai.state').of(bufnr)
    local words = ('%s: %s'):format(client.root_dir or 'no folder', state and state.message or 'no buffer')
    local report = state and state.name ~= 'ready' and health.warn or health.ok
    report(words)
  end
end

function M.check()
  health.start('budgetai')
  editor()
  program(require('budgetai').options.cmd[1])
  for _, name in ipairs({ 'budgetai-train', 'budgetai-convert' }) do
    program(require('budgetai.terminal').program(name))
  end
  clients()
end

return M
