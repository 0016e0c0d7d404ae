; What JavaScript, TypeScript and TSX have in common.

(program) @module
(class_declaration name: (_) @name body: (_) @body) @class
(function_declaration name: (_) @name parameters: (_) @list body: (_) @body) @function
(generator_function_declaration name: (_) @name parameters: (_) @list body: (_) @body) @function
(method_definition name: (_) @name parameters: (_) @list body: (_) @body) @function
(lexical_declaration . (variable_declarator name: (identifier) @name
  value: [
    (arrow_function parameters: (_) @list body: (_) @body) @own
    (arrow_function parameter: (_) @list body: (_) @body) @own
    (function_expression parameters: (_) @list body: (_) @body) @own
    (generator_function parameters: (_) @list body: (_) @body) @own]) .) @function
(variable_declaration . (variable_declarator name: (identifier) @name
  value: [
    (arrow_function parameters: (_) @list body: (_) @body) @own
    (arrow_function parameter: (_) @list body: (_) @body) @own
    (function_expression parameters: (_) @list body: (_) @body) @own
    (generator_function parameters: (_) @list body: (_) @body) @own]) .) @function
(expression_statement (assignment_expression left: (member_expression property: (_) @name)
  right: [
    (arrow_function parameters: (_) @list body: (_) @body) @own
    (arrow_function parameter: (_) @list body: (_) @body) @own
    (function_expression parameters: (_) @list body: (_) @body) @own
    (generator_function parameters: (_) @list body: (_) @body) @own])) @function
(export_statement [(class_declaration) (function_declaration) (generator_function_declaration)
  (lexical_declaration) (variable_declaration)] @inner) @whole
[(arrow_function) (function_expression) (generator_function)] @scope

(arrow_function parameter: (identifier) @of @parameter)

(return_statement (_) @return)
(arrow_function body: (expression) @return)
(yield_expression) @yield
(throw_statement (new_expression constructor: (_) @raise))
(throw_statement (call_expression function: (_) @raise))

(comment) @comment

(export_statement value: (_) @exports)
(export_statement !source (export_clause (export_specifier name: (_) @exports)))
(assignment_expression left: (_) @_target right: (_) @exports
  (#match? @_target "^(module[.])?exports\\b"))
(call_expression function: (_) @_assign arguments: (arguments . (_) @_target (_) @exports)
  (#eq? @_assign "Object.assign") (#match? @_target "^(module[.])?exports$"))
