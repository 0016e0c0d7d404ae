-- What the servers have said of themselves, by client.
local M = {}

---@type table<integer, { name: string, message: string }>
local told = {}

function M.handler(_, result, ctx)
  told[ctx.client_id] = result
  vim.schedule(function()
    vim.cmd.redrawstatus({ bang = true })
  end)
end

function M.forget(client_id)
  told[client_id] = nil
end

---@return vim.lsp.Client?
function M.client(bufnr)
  return vim.lsp.get_clients({ name = 'budgetai', bufnr = bufnr })[1]
end

---@return { name: string, message: string }?
function M.of(bufnr)
  local client = M.client(bufnr)
  return client and (told[client.id] or { name = 'starting', message = 'BudgetAI is starting' })
end

local function thinks(client)
  for _, request in pairs(client.requests) do
    if request.type == 'pending' and request.method == 'textDocument/inlineCompletion' then
      return true
    end
  end
  return false
end

---@param shows boolean whether grey text is on
---@return string
function M.words(bufnr, shows)
  local client, state = M.client(bufnr), M.of(bufnr)
  if not (client and state) then
    return ''
  elseif not shows then
    return 'off'
  elseif state.name == 'ready' then
    return thinks(client) and 'thinking' or 'ready'
  end
  return (state.name:gsub('-', ' '))
end

return M
