(class_declaration name: (name) @name body: (_) @body) @definition.class
(interface_declaration name: (name) @name body: (_) @body) @definition.interface
(trait_declaration name: (name) @name body: (_) @body) @definition.class
(enum_declaration name: (name) @name body: (_) @body) @definition.enum
(class_declaration (base_clause (_) @base)) @derived
(class_declaration (class_interface_clause (_) @base)) @derived
(interface_declaration (base_clause (_) @base)) @derived
(enum_declaration (class_interface_clause (_) @base)) @derived
(function_definition name: (name) @name body: (_) @body) @definition.function
(method_declaration name: (name) @name body: (_)? @body) @definition.method
(property_declaration (property_element name: (variable_name (name) @name))) @definition.field
(property_promotion_parameter name: (variable_name (name) @name)) @definition.promoted
(const_declaration (const_element . (name) @name)) @definition.constant
(enum_case name: (name) @name) @definition.member
(program (expression_statement (assignment_expression left: (variable_name (name) @name)))
  @definition.variable)
[(anonymous_function) (arrow_function)] @scope

(namespace_use_declaration (namespace_use_clause [(qualified_name) (name)] @module)) @import
(namespace_use_declaration (namespace_name) @module body: (namespace_use_group
  (namespace_use_clause . (_) @imported))) @import
[(require_expression (string) @module) (require_once_expression (string) @module)
 (include_expression (string) @module) (include_once_expression (string) @module)] @import

(comment) @comment
[(string) (encapsed_string) (heredoc_body) (nowdoc_body) (shell_command_expression)] @string
