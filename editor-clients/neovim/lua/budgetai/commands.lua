-- :BudgetAI NAME
local M = {}

local function root()
  local client = require('budgetai.state').client(0)
  return client and client.root_dir or vim.fs.root(0, '.git') or vim.fn.getcwd()
end

local commands = {}

function commands.status()
  local state = require('budgetai.state').of(0)
  vim.notify(state and state.message or 'BudgetAI does not serve this buffer: see :checkhealth budgetai')
end

function commands.log()
  vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
end

function commands.toggle()
  require('budgetai').toggle()
end

function commands.restart()
  require('budgetai.restart').now()
end

function commands.train(arguments)
  require('budgetai.terminal').train(root(), arguments)
end

function commands.convert(arguments)
  require('budgetai.terminal').convert(root(), arguments)
end

function commands.usage()
  require('budgetai.terminal').usage(root())
end

function commands.docstring()
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      return action.title:find('docstring', 1, true) ~= nil
    end,
  })
end

---@param begun string
---@return string[]
function M.names(begun)
  local names = vim.tbl_filter(function(name)
    return vim.startswith(name, begun)
  end, vim.tbl_keys(commands))
  table.sort(names)
  return names
end

---@param words string[] a name and its arguments
function M.run(words)
  local command = commands[words[1]]
  if not command then
    vim.notify(('BudgetAI knows no %s, but: %s'):format(words[1], table.concat(M.names(''), ', ')), vim.log.levels.ERROR)
    return
  end
  command(vim.list_slice(words, 2))
end

return M
