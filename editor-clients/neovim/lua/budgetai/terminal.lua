-- The other programs, in a terminal of their own: progress is theirs, Ctrl-C ends them.
local M = {}

---The path of a program that stands beside the server, or its name.
---@param name string
---@return string
function M.program(name)
  local server = vim.fn.exepath(require('budgetai').options.cmd[1])
  local beside = vim.fs.joinpath(vim.fs.dirname(server), name)
  return server ~= '' and vim.fn.executable(beside) == 1 and beside or name
end

-- The exit code where what was served before stays.
local NOT_SERVED = 3

local function run(command, done)
  vim.cmd('botright 12new')
  vim.fn.jobstart(command, {
    term = true,
    on_exit = function(_, code)
      if code == 0 and done then
        done()
      elseif code == NOT_SERVED then
        vim.notify('BudgetAI has a new model, and the one before stays: the terminal says why')
      end
    end,
  })
end

local function command(name, root, more)
  return vim.list_extend({ M.program(name), '--repo', root }, more or {})
end

local function serve()
  vim.notify('BudgetAI has a new model; the server is started again with it')
  require('budgetai.restart').now()
end

-- Flags that leave no one adapter to convert begin so.
local WITHOUT_MODEL = { '--dry-run', '--compare' }

local function leaves_a_model(flags)
  return not vim.iter(flags):any(function(flag)
    return vim.iter(WITHOUT_MODEL):any(function(begun)
      return vim.startswith(flag, begun)
    end)
  end)
end

---Learn the repository, convert what was learned, and serve it.
function M.train(root, more)
  local converts = leaves_a_model(more or {})
  local flags = vim.list_extend(converts and { '--convert' } or {}, more or {})
  run(command('budgetai-train', root, flags), converts and serve or nil)
end

function M.convert(root, more)
  run(command('budgetai-convert', root, more), serve)
end

function M.usage(root)
  run(command('budgetai-eval', root, { '--usage' }))
end

return M
