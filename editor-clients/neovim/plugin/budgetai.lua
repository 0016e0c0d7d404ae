-- What is there before anyone asks for it: the command and the <Plug> maps. All else is loaded when used.
if vim.g.loaded_budgetai then
  return
end
vim.g.loaded_budgetai = true

vim.api.nvim_create_user_command('BudgetAI', function(call)
  require('budgetai.commands').run(call.fargs)
end, {
  nargs = '+',
  desc = 'BudgetAI: train, status, and so on',
  complete = function(begun)
    return require('budgetai.commands').names(begun)
  end,
})

for name, kind in pairs({ accept = 'all', ['accept-word'] = 'word', ['accept-line'] = 'line' }) do
  vim.keymap.set('i', ('<Plug>(budgetai-%s)'):format(name), function()
    require('budgetai').accept(kind)
  end, { desc = 'BudgetAI: accept grey text, ' .. kind })
end
vim.keymap.set('i', '<Plug>(budgetai-dismiss)', function()
  require('budgetai').dismiss()
end, { desc = 'BudgetAI: hide grey text' })
vim.keymap.set({ 'n', 'i' }, '<Plug>(budgetai-toggle)', function()
  require('budgetai').toggle()
end, { desc = 'BudgetAI: on or off in this buffer' })
vim.keymap.set({ 'n', 'i' }, '<Plug>(budgetai-next-edit)', function()
  require('budgetai').next_edit()
end, { desc = 'BudgetAI: go to the next edit, then make it' })
vim.keymap.set({ 'n', 'i' }, '<Plug>(budgetai-next-edit-dismiss)', function()
  require('budgetai').dismiss_next_edit()
end, { desc = 'BudgetAI: take the next edit away' })
