"""Training samples: places in files, as the server would send them, and the text that follows.

A sample is the prompt of `budgetai_core.context` at a cut point. Its text before the cursor is
what is learned, token by token: at each of its positions the model sees the same things as it
would at serving, the text after the cut included, and has to go on. The end marker after it says
that the text after the cursor follows at once.

To the model, a file whose head is cut off and a window that starts at that line are the same; so
windows are laid side by side over the file, and each line is learned once in an epoch.
"""
