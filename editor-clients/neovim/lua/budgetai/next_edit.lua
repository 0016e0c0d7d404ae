-- The next edit: asked for when the keys rest, shown beside its lines, made on the second call.
local M = {}

local METHOD = 'budgetai/nextEdit'
local space = vim.api.nvim_create_namespace('budgetai.next_edit')

---@class budgetai.NextEdit
---@field uri string
---@field version integer? of the document it is for; nil for a file that was not open
---@field edit lsp.TextEdit
---@field old string[] the lines that stand there
---@field number integer
---@field dismissed string the command that says it is not wanted
---@field client_id integer

---@type budgetai.NextEdit?
local shown
---@type integer?
local pending

local function version(bufnr)
  return vim.lsp.util.buf_versions[bufnr]
end

local function lines_of(text)
  return text == '' and {} or vim.split((text:gsub('\r\n', '\n'):gsub('\n$', '')), '\n', { plain = true })
end

function M.clear()
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) then
      vim.api.nvim_buf_clear_namespace(bufnr, space, 0, -1)
    end
  end
  shown = nil
end

---Whether the lines of an edit are still those that it was made for.
local function stands(bufnr, next)
  if next.version and next.version ~= version(bufnr) then
    return false
  end
  local first = next.edit.range.start.line
  local here = vim.api.nvim_buf_get_lines(bufnr, first, first + #next.old, false)
  return vim.deep_equal(here, next.old)
end

local function draw(next)
  local bufnr = vim.uri_to_bufnr(next.uri)
  local first = next.edit.range.start.line
  local current = vim.api.nvim_get_current_buf()
  if bufnr ~= current then
    local name = vim.fn.fnamemodify(vim.uri_to_fname(next.uri), ':~:.')
    local row = vim.api.nvim_win_get_cursor(0)[1] - 1
    local words = { { ('  next edit: %s:%d'):format(name, first + 1), 'Comment' } }
    vim.api.nvim_buf_set_extmark(current, space, row, 0, { virt_text = words, virt_text_pos = 'eol' })
    return
  end
  for row = first, first + #next.old - 1 do
    vim.api.nvim_buf_set_extmark(bufnr, space, row, 0, { line_hl_group = 'DiffDelete' })
  end
  local added = vim.tbl_map(function(line)
    return { { line == '' and ' ' or line, 'DiffAdd' } }
  end, lines_of(next.edit.newText))
  if #added > 0 then
    local last = vim.api.nvim_buf_line_count(bufnr) - 1
    local above = #next.old == 0 and first <= last
    vim.api.nvim_buf_set_extmark(bufnr, space, math.min(above and first or first + #next.old - 1, last), 0, {
      virt_lines = added,
      virt_lines_above = above,
    })
  end
end

local function show(next)
  M.clear()
  shown = next
  draw(next)
end

---Ask for the edit of a buffer; the server waits until the keys have rested.
---@param bufnr integer
function M.ask(bufnr)
  local client = require('budgetai.state').client(bufnr)
  if not (client and client.initialized) then
    return
  end
  if pending then
    client:cancel_request(pending)
  end
  local identifier = { uri = vim.uri_from_bufnr(bufnr), version = version(bufnr) }
  local _, id = client:request(METHOD, { textDocument = identifier }, function(err, result)
    pending = nil
    local edit = not err and result and result.edit
    if vim.api.nvim_get_current_buf() ~= bufnr or version(bufnr) ~= identifier.version then
      return
    end
    if type(edit) ~= 'table' then
      M.clear()
      return
    end
    show({
      uri = edit.textDocument.uri,
      version = type(edit.textDocument.version) == 'number' and edit.textDocument.version or nil,
      edit = { range = edit.range, newText = edit.text },
      old = result.old,
      number = result.number,
      dismissed = result.dismissed,
      client_id = client.id,
    })
  end, bufnr)
  pending = id
end

local function jump(next)
  vim.cmd("normal! m'")
  local bufnr = vim.uri_to_bufnr(next.uri)
  vim.fn.bufload(bufnr)
  if bufnr ~= vim.api.nvim_get_current_buf() then
    vim.bo[bufnr].buflisted = true
    vim.api.nvim_win_set_buf(0, bufnr)
  end
  if not stands(bufnr, next) then
    M.clear()
    return
  end
  local row = math.min(next.edit.range.start.line + 1, vim.api.nvim_buf_line_count(bufnr))
  vim.api.nvim_win_set_cursor(0, { row, 0 })
  vim.cmd('normal! ^')
  show(next)
end

local function is_here(next)
  if vim.uri_to_bufnr(next.uri) ~= vim.api.nvim_get_current_buf() then
    return false
  end
  local row = vim.api.nvim_win_get_cursor(0)[1] - 1
  local first = next.edit.range.start.line
  local last = vim.api.nvim_buf_line_count(0) - 1
  return row >= math.min(first, last) and row <= math.max(first, first + #next.old - 1)
end

local function apply(next)
  local bufnr = vim.api.nvim_get_current_buf()
  local client = vim.lsp.get_client_by_id(next.client_id)
  local fits = stands(bufnr, next)
  M.clear()
  if not (client and fits) then
    return
  end
  -- An undo of its own.
  vim.cmd('let &g:undolevels = &g:undolevels')
  vim.lsp.util.apply_text_edits({ next.edit }, bufnr, client.offset_encoding)
end

---Go to the edit that is shown, or make it where the cursor is there already.
---@return boolean shown false where there is none
function M.go()
  local next = shown
  if not next then
    return false
  end
  -- Not at once: <expr> maps may not change text.
  vim.schedule(function()
    if is_here(next) then
      apply(next)
    else
      jump(next)
    end
  end)
  return true
end

---Take the edit away for good.
---@return boolean shown
function M.dismiss()
  local next = shown
  if not next then
    return false
  end
  M.clear()
  local client = vim.lsp.get_client_by_id(next.client_id)
  if client then
    client:request('workspace/executeCommand', { command = next.dismissed, arguments = { next.number } })
  end
  return true
end

---@param bufnr integer
function M.enable(bufnr)
  local group = vim.api.nvim_create_augroup('budgetai.next_edit.' .. bufnr, {})
  local function on_event(events, work)
    vim.api.nvim_create_autocmd(events, { group = group, buffer = bufnr, callback = work })
  end
  on_event({ 'TextChangedI', 'InsertEnter' }, M.clear)
  on_event({ 'TextChanged', 'InsertLeave', 'BufEnter' }, function()
    if shown and not (vim.uri_to_bufnr(shown.uri) == bufnr and stands(bufnr, shown)) then
      M.clear()
    end
    -- On the next turn: a request must not overtake the change it is about.
    vim.schedule(function()
      if vim.api.nvim_buf_is_valid(bufnr) and not shown then
        M.ask(bufnr)
      end
    end)
  end)
end

return M
