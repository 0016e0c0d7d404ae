(abstract_class_declaration name: (_) @name body: (class_body) @body) @definition.class
(class_declaration (class_heritage (extends_clause value: (_) @base))) @derived
(class_declaration (class_heritage (implements_clause (_) @base))) @derived
(abstract_class_declaration (class_heritage (extends_clause value: (_) @base))) @derived
(abstract_class_declaration (class_heritage (implements_clause (_) @base))) @derived
(public_field_definition name: (_) @name) @definition.field
(abstract_method_signature name: (_) @name) @definition.method
(required_parameter
  [(accessibility_modifier) (override_modifier) "readonly"] pattern: (identifier) @name)
  @definition.promoted
(optional_parameter
  [(accessibility_modifier) (override_modifier) "readonly"] pattern: (identifier) @name)
  @definition.promoted
(import_require_clause source: (string) @module) @import
; `export import a = require("a")`: the grammar sees an alias, and a string behind it.
((export_statement declaration: (import_alias (identifier) . (identifier) @_function .))
  . (expression_statement (parenthesized_expression (string) @module))
  @import (#eq? @_function "require"))

(interface_declaration name: (_) @name body: (_) @body) @definition.interface
(interface_declaration (extends_type_clause type: (_) @base)) @derived
(interface_body (property_signature name: (_) @name) @definition.field)
(interface_body (method_signature name: (_) @name) @definition.method)
(type_alias_declaration name: (_) @name) @definition.type
(enum_declaration name: (_) @name body: (enum_body) @body) @definition.enum
(enum_body name: (property_identifier) @name @definition.member)
(enum_body (enum_assignment name: (_) @name) @definition.member)
(function_signature name: (identifier) @name) @definition.function
(internal_module name: (_) @name body: (_) @body) @definition.namespace

