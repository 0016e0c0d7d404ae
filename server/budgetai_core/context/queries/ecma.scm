; What JavaScript, TypeScript and TSX have in common.

(class_declaration name: (_) @name body: (class_body) @body) @definition.class
(function_declaration name: (identifier) @name body: (statement_block) @body) @definition.function
(generator_function_declaration
  name: (identifier) @name body: (statement_block) @body) @definition.function
(method_definition name: (_) @name body: (statement_block) @body) @definition.method

((lexical_declaration "const" (variable_declarator name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  @definition.function) (#set! keyword "const"))
((program (lexical_declaration "const" (variable_declarator name: (identifier) @name)
  @definition.constant)) (#set! keyword "const"))
((program (lexical_declaration "let" (variable_declarator name: (identifier) @name)
  @definition.variable)) (#set! keyword "let"))
((program (variable_declaration (variable_declarator name: (identifier) @name)
  @definition.variable)) (#set! keyword "var"))
((export_statement (lexical_declaration "const" (variable_declarator name: (identifier) @name)
  @definition.constant)) (#set! keyword "const"))
((export_statement (lexical_declaration "let" (variable_declarator name: (identifier) @name)
  @definition.variable)) (#set! keyword "let"))
(assignment_expression
  left: (member_expression object: (identifier) @owner property: (property_identifier) @name)
  right: [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  @definition.method
[(arrow_function) (function_expression) (generator_function) (object)] @scope

(import_statement source: (string) @module) @import
(import_statement (import_clause (identifier) @imported) source: (string) @module) @import
(import_statement
  (import_clause (named_imports (import_specifier name: (_) @imported)))
  source: (string) @module) @import
(import_statement
  (import_clause (namespace_import "*" @imported)) source: (string) @module) @import
(export_statement source: (string) @module) @import
(export_statement "*" @imported source: (string) @module) @import
(export_statement
  (export_clause (export_specifier name: (_) @imported)) source: (string) @module) @import
((call_expression function: (identifier) @_function arguments: (arguments . (string) @module .))
  @import (#eq? @_function "require"))
(call_expression function: (import) arguments: (arguments . (string) @module)) @import

(comment) @comment
[(string) (template_string) (regex)] @string
(template_substitution) @code
