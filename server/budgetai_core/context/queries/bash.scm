(function_definition name: (word) @name body: (_) @body) @definition.function
(program (variable_assignment name: (variable_name) @name) @definition.variable)
(program (declaration_command (variable_assignment name: (variable_name) @name))
  @definition.variable)

((command name: (command_name (word) @_function) . argument: (_) @module)
  @import (#any-of? @_function "source" "."))

(comment) @comment
[(string) (raw_string) (ansi_c_string) (heredoc_body)] @string
[(command_substitution) (expansion) (simple_expansion)] @code
