(function_declaration name: (identifier) @name body: (block)? @body) @definition.function
(function_declaration
  name: [
    (dot_index_expression table: (_) @owner field: (identifier) @name)
    (method_index_expression table: (_) @owner method: (identifier) @name)]
  body: (block)? @body) @definition.method
(assignment_statement
  (variable_list . name: (dot_index_expression table: (identifier) @owner field: (identifier) @name))
  (expression_list . value: (function_definition body: (block)? @body))) @definition.method
(chunk (variable_declaration (assignment_statement
  (variable_list . name: (identifier) @name)
  (expression_list . value: (function_definition body: (block)? @body)))) @definition.function)
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name)))
  @definition.variable)
(chunk (assignment_statement (variable_list name: (identifier) @name)) @definition.variable)
(chunk (assignment_statement (variable_list
  name: (dot_index_expression table: (identifier) @owner field: (identifier) @name)))
  @definition.field)
(function_definition) @scope

((function_call name: (identifier) @_function arguments: (arguments . (string) @module .))
  @import (#any-of? @_function "require" "dofile"))

(comment) @comment
(string) @string
