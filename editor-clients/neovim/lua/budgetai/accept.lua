-- Putting a shown item, or a part of it, into the buffer.
local M = {}

---@class budgetai.Item
---@field text string
---@field range integer[] row, column, end row, end column as they were when it was asked for
---@field command? lsp.Command
---@field client_id integer

---What is still to come of an item after what has been typed since; nil where that says otherwise.
---@param item budgetai.Item
---@return string?
function M.rest(item)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local start_row, start_col = item.range[1], item.range[2]
  if row - 1 ~= start_row or col < start_col then
    return nil
  end
  local typed = vim.api.nvim_get_current_line():sub(start_col + 1, col)
  return vim.startswith(item.text, typed) and item.text:sub(#typed + 1) or nil
end

local function put_in(text, replaced)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.split(text, '\n', { plain = true })
  -- An undo of its own.
  vim.cmd('let &g:undolevels = &g:undolevels')
  vim.api.nvim_buf_set_text(0, row - 1, col, row - 1, col + replaced, lines)
  local begun = #lines == 1 and col or 0
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, begun + #lines[#lines] })
end

---@param kind 'all'|'word'|'line'
---@param item budgetai.Item
function M.apply(kind, item)
  local rest = M.rest(item)
  if not rest or rest == '' then
    return
  end
  local piece = require('budgetai.pieces').take(rest, kind)
  if piece ~= rest then
    put_in(piece, 0)
    return
  end
  -- An item begins at the cursor; what it takes the place of lies behind.
  put_in(rest, item.range[4] - item.range[2])
  local client = item.command and vim.lsp.get_client_by_id(item.client_id)
  if client then
    client:exec_cmd(item.command)
  end
end

return M
