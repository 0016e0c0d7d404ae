(class_definition name: (identifier) @name body: (block)? @body) @definition.class
(class_definition superclasses: (argument_list [(identifier) (attribute) (subscript)] @base)) @derived
(function_definition name: (identifier) @name body: (block)? @body) @definition.function
(decorated_definition (decorator) @decorator definition: (_) @decorated)

(expression_statement (assignment left: (identifier) @name)) @definition.variable
(type_alias_statement left: (type (identifier) @name)) @definition.type
(type_alias_statement left: (type (generic_type . (identifier) @name))) @definition.type
(lambda) @scope

(import_statement name: [
  (dotted_name) @module
  (aliased_import name: (dotted_name) @module)]) @import
(import_from_statement module_name: (_) @module) @import
(import_from_statement module_name: (_) @module name: [
  (dotted_name) @imported
  (aliased_import name: (dotted_name) @imported)]) @import
(import_from_statement module_name: (_) @module (wildcard_import) @imported) @import

(comment) @comment
(string) @string
(interpolation) @code
(module . (comment)* . (expression_statement . (string) @docstring .))
(class_definition body: (block . (expression_statement . (string) @docstring .)))
(function_definition body: (block . (expression_statement . (string) @docstring .)))
