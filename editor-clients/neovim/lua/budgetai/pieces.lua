-- Which part of a text is taken. No side effects.
local M = {}

local function word(text)
  local blank = text:match('^%s*')
  local rest = text:sub(#blank + 1)
  local piece = rest:match('^[%w_\128-\255]+') or rest:match('^[^%w_%s\128-\255]+') or ''
  return blank .. piece
end

local function line(text)
  local blank = text:match('^\n*')
  return blank .. text:sub(#blank + 1):match('^[^\n]*')
end

---@param text string
---@param kind 'all'|'word'|'line'
---@return string
function M.take(text, kind)
  if kind == 'word' then
    return word(text)
  end
  return kind == 'line' and line(text) or text
end

return M
