(package_clause (package_identifier) @name) @module
(function_declaration name: (_) @name parameters: (_) @list result: (_)? @result
  body: (_)? @body) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @owner
    (generic_type type: (type_identifier) @owner)
    (pointer_type (type_identifier) @owner)
    (pointer_type (generic_type type: (type_identifier) @owner))]))
  name: (_) @name parameters: (_) @list result: (_)? @result body: (_)? @body) @function
(type_spec name: (_) @name) @class
(type_spec name: (_) @name type: (struct_type (field_declaration_list) @body)) @class
(type_spec name: (_) @name type: (interface_type "{" @body)) @class
(type_alias name: (_) @name) @class
((type_declaration [(type_spec) (type_alias)] @inner) @whole
  (#not-match? @whole "^type\\s*[(]"))
(method_elem name: (_) @name parameters: (_) @list result: (_)? @result) @function
(func_literal) @scope

(parameter_list (parameter_declaration name: (identifier) @parameter type: (_) @type)) @of
(parameter_list (variadic_parameter_declaration name: (identifier) @parameter type: (_) @type)
  @optional) @of

(comment) @comment
