-- A server that crashes comes back, a few times.
local M = {}

local crashes = {}
local leaving, meant = false, false
vim.api.nvim_create_autocmd('VimLeavePre', {
  callback = function()
    leaving = true
  end,
})

---Called with how the server has ended. 0 and SIGTERM are meant.
function M.exited(code, signal)
  local crashed = code ~= 0 or (signal ~= 0 and signal ~= 15)
  if leaving or meant or not crashed then
    meant = false
    return
  end
  local delay
  delay, crashes = require('budgetai.backoff').next(crashes, vim.uv.now() / 1000)
  if not delay then
    vim.notify('BudgetAI has crashed too often: see :BudgetAI log', vim.log.levels.ERROR)
    return
  end
  vim.defer_fn(function()
    vim.lsp.enable('budgetai')
  end, delay * 1000)
end

---Stop the server and start it again, with a new model if there is one.
function M.now()
  crashes = {}
  local clients = vim.lsp.get_clients({ name = 'budgetai' })
  for _, client in ipairs(clients) do
    meant = true
    client:stop()
  end
  local timer, tries = assert(vim.uv.new_timer()), 0
  timer:start(100, 100, vim.schedule_wrap(function()
    tries = tries + 1
    local gone = #vim.lsp.get_clients({ name = 'budgetai' }) == 0
    if (gone or tries > 50) and not timer:is_closing() then
      timer:close()
      meant = false
      vim.lsp.enable('budgetai')
    end
  end))
end

return M
