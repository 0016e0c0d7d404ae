-- What a user's own configuration calls: setup, accept, dismiss, next_edit, toggle, statusline.
local M = {}

---@class budgetai.Options
---@field cmd? string[] the server and its flags
---@field options? table<string, any> options of the server in camelCase, as { latencyMs = 500 }
M.options = { cmd = { 'budgetai-server' }, options = {} }

---Neovim has grey text of its own from 0.12 on.
---@return boolean
function M.native()
  return vim.lsp.inline_completion ~= nil
end

---@param options? budgetai.Options
function M.setup(options)
  M.options = vim.tbl_extend('force', M.options, options or {})
  local state, restart = require('budgetai.state'), require('budgetai.restart')
  vim.lsp.config('budgetai', {
    cmd = M.options.cmd,
    init_options = next(M.options.options) and M.options.options or nil,
    handlers = { ['$/budgetai/state'] = state.handler },
    on_attach = function(_, bufnr)
      M.show(true, bufnr)
      require('budgetai.next_edit').enable(bufnr)
    end,
    on_exit = vim.schedule_wrap(function(code, signal, id)
      state.forget(id)
      restart.exited(code, signal)
    end),
  })
  vim.lsp.enable('budgetai')
end

---Show grey text in a buffer, or no longer.
---@param on boolean
---@param bufnr integer
function M.show(on, bufnr)
  if M.native() then
    vim.lsp.inline_completion.enable(on, { bufnr = bufnr })
  else
    require('budgetai.ghost').enable(on, bufnr)
  end
end

---@param bufnr? integer
---@return boolean
function M.shows(bufnr)
  bufnr = bufnr or vim.api.nvim_get_current_buf()
  if M.native() then
    return vim.lsp.inline_completion.is_enabled({ bufnr = bufnr })
  end
  return require('budgetai.ghost').is_enabled(bufnr)
end

function M.toggle()
  local bufnr = vim.api.nvim_get_current_buf()
  M.show(not M.shows(bufnr), bufnr)
end

---Take what is shown: all, a word or a line of it. Can be called in an <expr> map.
---@param kind? 'all'|'word'|'line'
---@return boolean taken false where nothing is shown
function M.accept(kind)
  kind = kind or 'all'
  local apply = require('budgetai.accept').apply
  if M.native() then
    return vim.lsp.inline_completion.get({
      on_accept = function(item)
        apply(kind, {
          text = item.insert_text,
          range = { item.range:to_extmark() },
          command = item.command,
          client_id = item.client_id,
        })
      end,
    })
  end
  return require('budgetai.ghost').take(function(item)
    apply(kind, item)
  end)
end

---Hide what is shown until something is typed.
function M.dismiss()
  local bufnr = vim.api.nvim_get_current_buf()
  if M.native() then
    M.show(false, bufnr)
    M.show(true, bufnr)
  else
    require('budgetai.ghost').hide(bufnr)
  end
end

---Go to the next edit that is shown, or make it where the cursor is there. Can be called in an <expr> map.
---@return boolean shown false where there is none
function M.next_edit()
  return require('budgetai.next_edit').go()
end

---Take the next edit that is shown away for good.
---@return boolean shown false where there is none
function M.dismiss_next_edit()
  return require('budgetai.next_edit').dismiss()
end

---For a statusline: a word on what the server does for the current buffer, '' where there is none.
---@return string
function M.statusline()
  local shown = require('budgetai.state').words(vim.api.nvim_get_current_buf(), M.shows())
  return shown ~= '' and 'BudgetAI ' .. shown or ''
end

return M
