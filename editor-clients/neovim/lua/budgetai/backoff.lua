-- When a server that has crashed is started again. Times and delays in seconds; no side effects.
local M = {}

local FIRST, MOST, WINDOW = 1, 5, 180

---@param crashes number[] when it has crashed before, oldest first
---@param now number
---@return number? delay nil where it has crashed too often to go on
---@return number[] crashes those that still count, and this one
function M.next(crashes, now)
  local recent = vim.tbl_filter(function(at)
    return now - at < WINDOW
  end, crashes)
  recent[#recent + 1] = now
  if #recent > MOST then
    return nil, recent
  end
  return FIRST * 2 ^ (#recent - 1), recent
end

return M
