-- Grey text for Neovim 0.11, which has none of its own. One item a buffer.
local M = {}

local METHOD = 'textDocument/inlineCompletion'
local space = vim.api.nvim_create_namespace('budgetai.inline_completion')
---@type table<integer, { group: integer, item?: budgetai.Item, request?: integer }>
local buffers = {}

local function clear(bufnr)
  if vim.api.nvim_buf_is_valid(bufnr) then
    vim.api.nvim_buf_clear_namespace(bufnr, space, 0, -1)
  end
end

local function draw(bufnr, rest)
  clear(bufnr)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.tbl_map(function(line)
    return { { line, 'Comment' } }
  end, vim.split(rest, '\n', { plain = true }))
  vim.api.nvim_buf_set_extmark(bufnr, space, row - 1, col, {
    virt_text = lines[1],
    virt_text_pos = 'inline',
    virt_lines = #lines > 1 and vim.list_slice(lines, 2) or nil,
  })
end

---Forget what is shown, and what was asked for.
function M.hide(bufnr)
  local shown = buffers[bufnr]
  clear(bufnr)
  if not shown then
    return
  end
  shown.item = nil
  local client = require('budgetai.state').client(bufnr)
  if client and shown.request then
    client:cancel_request(shown.request)
  end
  shown.request = nil
end

local function to_item(found, client, bufnr)
  local range, encoding = found.range, client.offset_encoding
  local line = vim.api.nvim_buf_get_lines(bufnr, range.start.line, range.start.line + 1, false)[1] or ''
  local function byte(position)
    return vim.str_byteindex(line, encoding, position.character, false)
  end
  return {
    text = found.insertText,
    range = { range.start.line, byte(range.start), range['end'].line, byte(range['end']) },
    command = found.command,
    client_id = client.id,
  }
end

local function ask(bufnr)
  local client = require('budgetai.state').client(bufnr)
  local shown = buffers[bufnr]
  if not (client and shown and client.initialized) then
    return
  end
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  ---@diagnostic disable-next-line: inject-field
  params.context = { triggerKind = 2 }
  local _, id = client:request(METHOD, params, function(err, result)
    shown.request = nil
    local found = result and (result.items or result)[1]
    if err or not found or not vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
      return
    end
    if vim.api.nvim_get_current_buf() ~= bufnr then
      return
    end
    shown.item = to_item(found, client, bufnr)
    M.look(bufnr)
  end, bufnr)
  shown.request = id
end

---Show what is left of the item at the cursor; ask where nothing is.
function M.look(bufnr)
  local shown = buffers[bufnr]
  local rest = shown and shown.item and require('budgetai.accept').rest(shown.item)
  if rest and rest ~= '' then
    draw(bufnr, rest)
    return
  end
  M.hide(bufnr)
end

local function changed(bufnr)
  M.look(bufnr)
  if buffers[bufnr] and not buffers[bufnr].item then
    -- On the next turn: a request must not overtake the change it is about.
    vim.schedule(function()
      ask(bufnr)
    end)
  end
end

---@param use fun(item: budgetai.Item)
---@return boolean
function M.take(use)
  local bufnr = vim.api.nvim_get_current_buf()
  local item = buffers[bufnr] and buffers[bufnr].item
  if not item then
    return false
  end
  vim.schedule(function()
    clear(bufnr)
    use(item)
  end)
  return true
end

function M.is_enabled(bufnr)
  return buffers[bufnr] ~= nil
end

function M.enable(on, bufnr)
  local shown = buffers[bufnr]
  if not on and shown then
    M.hide(bufnr)
    vim.api.nvim_del_augroup_by_id(shown.group)
    buffers[bufnr] = nil
  elseif on and not shown then
    local group = vim.api.nvim_create_augroup('budgetai.ghost.' .. bufnr, {})
    buffers[bufnr] = { group = group }
    local function on_event(events, work)
      vim.api.nvim_create_autocmd(events, {
        group = group,
        buffer = bufnr,
        callback = function()
          work(bufnr)
        end,
      })
    end
    on_event({ 'TextChangedI', 'CursorMovedI', 'InsertEnter' }, changed)
    on_event({ 'InsertLeave', 'BufLeave' }, M.hide)
    on_event({ 'BufWipeout' }, function()
      M.enable(false, bufnr)
    end)
  end
end

return M
