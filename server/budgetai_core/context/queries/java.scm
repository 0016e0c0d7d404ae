(class_declaration name: (identifier) @name body: (class_body) @body) @definition.class
(record_declaration name: (identifier) @name body: (class_body) @body) @definition.class
(interface_declaration name: (identifier) @name body: (interface_body) @body) @definition.interface
(annotation_type_declaration name: (identifier) @name body: (_) @body) @definition.interface
(enum_declaration name: (identifier) @name body: (enum_body) @body) @definition.enum
(class_declaration superclass: (superclass (_) @base)) @derived
(class_declaration interfaces: (super_interfaces (type_list (_) @base))) @derived
(record_declaration interfaces: (super_interfaces (type_list (_) @base))) @derived
(enum_declaration interfaces: (super_interfaces (type_list (_) @base))) @derived
(interface_declaration (extends_interfaces (type_list (_) @base))) @derived
(method_declaration name: (identifier) @name body: (block)? @body) @definition.method
(constructor_declaration name: (identifier) @name body: (constructor_body) @body)
  @definition.method
(field_declaration declarator: (variable_declarator name: (identifier) @name)) @definition.field
(constant_declaration declarator: (variable_declarator name: (identifier) @name))
  @definition.constant
(record_declaration parameters: (formal_parameters [
  (formal_parameter name: (identifier) @name)
  (spread_parameter (variable_declarator name: (identifier) @name))] @definition.field))
(enum_constant name: (identifier) @name) @definition.member
(lambda_expression) @scope
(object_creation_expression (class_body) @scope)
(static_initializer) @scope

(import_declaration [(identifier) (scoped_identifier)] @module .) @import
(import_declaration (_) @module (asterisk) @imported) @import

[(line_comment) (block_comment)] @comment
[(string_literal) (character_literal)] @string
(string_interpolation) @code
