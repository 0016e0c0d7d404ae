(class name: [(constant) @name (scope_resolution name: (constant) @name)]
  body: (body_statement)? @body) @definition.class
(class superclass: (superclass (_) @base)) @derived
(module name: [(constant) @name (scope_resolution name: (constant) @name)]
  body: (body_statement)? @body) @definition.module
(method name: (_) @name body: (_)? @body) @definition.method
(singleton_method name: (_) @name body: (_)? @body) @definition.method
(assignment left: (constant) @name) @definition.constant
((call method: (identifier) @_function arguments: (argument_list (simple_symbol) @name))
  @definition.field (#any-of? @_function "attr_reader" "attr_writer" "attr_accessor"))
[(block) (do_block) (lambda)] @scope

((call method: (identifier) @_function arguments: (argument_list . (string) @module .))
  @import (#any-of? @_function "require" "require_relative" "load"))
((call method: (identifier) @_function arguments: (argument_list (simple_symbol) . (string) @module))
  @import (#eq? @_function "autoload"))

(comment) @comment
[(string) (heredoc_body) (regex) (subshell) (string_array) (symbol_array) (delimited_symbol)]
  @string
(interpolation) @code
