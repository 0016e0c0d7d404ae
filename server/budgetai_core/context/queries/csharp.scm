(class_declaration name: (identifier) @name body: (declaration_list)? @body) @definition.class
(struct_declaration name: (identifier) @name body: (declaration_list)? @body) @definition.class
(record_declaration name: (identifier) @name body: (declaration_list)? @body) @definition.class
(interface_declaration name: (identifier) @name body: (declaration_list)? @body)
  @definition.interface
(enum_declaration name: (identifier) @name body: (_) @body) @definition.enum
(class_declaration (base_list (_) @base)) @derived
(struct_declaration (base_list (_) @base)) @derived
(record_declaration (base_list (_) @base)) @derived
(interface_declaration (base_list (_) @base)) @derived
(method_declaration name: (identifier) @name body: (_)? @body) @definition.method
(constructor_declaration name: (identifier) @name body: (_)? @body) @definition.method
(local_function_statement name: (identifier) @name body: (_)? @body) @definition.function
(delegate_declaration name: (identifier) @name) @definition.type
(property_declaration name: (identifier) @name) @definition.field
(record_declaration (parameter_list (parameter name: (identifier) @name) @definition.field))
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name)))
  @definition.field
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name)))
  @definition.field
(enum_member_declaration name: (identifier) @name) @definition.member
[(lambda_expression) (anonymous_method_expression)] @scope

(using_directive !name [(identifier) (qualified_name)] @module) @import
(using_directive name: (identifier) (qualified_name) @module) @import

(comment) @comment
[(string_literal) (character_literal) (verbatim_string_literal) (raw_string_literal)
 (interpolated_string_expression)] @string
(interpolation) @code
