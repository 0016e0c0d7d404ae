(function_declaration name: (identifier) @name body: (block)? @body) @definition.function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @owner
    (generic_type type: (type_identifier) @owner)
    (pointer_type (type_identifier) @owner)
    (pointer_type (generic_type type: (type_identifier) @owner))]))
  name: (field_identifier) @name body: (block)? @body) @definition.method

((type_spec name: (type_identifier) @name type: (struct_type (field_declaration_list) @body))
  @definition.class (#set! keyword "type"))
((type_spec name: (type_identifier) @name type: (interface_type "{" @body))
  @definition.interface (#set! keyword "type"))
((type_spec name: (type_identifier) @name) @definition.type (#set! keyword "type"))
((type_alias name: (type_identifier) @name) @definition.type (#set! keyword "type"))
(type_spec type: (struct_type (field_declaration_list
  (field_declaration !name type: (_) @base)))) @derived
(field_declaration name: (field_identifier) @name) @definition.field
(method_elem name: (field_identifier) @name) @definition.method
((const_spec name: (identifier) @name) @definition.constant (#set! keyword "const"))
((var_spec name: (identifier) @name) @definition.variable (#set! keyword "var"))
(func_literal) @scope

(import_spec path: (_) @module) @import

(comment) @comment
[(interpreted_string_literal) (raw_string_literal) (rune_literal)] @string
