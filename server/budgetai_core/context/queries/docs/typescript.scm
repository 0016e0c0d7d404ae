(abstract_class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @class
(enum_declaration name: (_) @name body: (_) @body) @class
(type_alias_declaration name: (_) @name) @class
(function_signature name: (_) @name parameters: (_) @list) @function
(abstract_method_signature name: (_) @name parameters: (_) @list) @function
(class_body (method_signature name: (_) @name parameters: (_) @list) @function)
(interface_body (method_signature name: (_) @name parameters: (_) @list) @function)
(public_field_definition name: (_) @name
  value: [
    (arrow_function parameters: (_) @list body: (_) @body) @own
    (arrow_function parameter: (_) @list body: (_) @body) @own
    (function_expression parameters: (_) @list body: (_) @body) @own
    (generator_function parameters: (_) @list body: (_) @body) @own]) @function
(export_statement [(abstract_class_declaration) (interface_declaration) (enum_declaration)
  (type_alias_declaration) (function_signature) (ambient_declaration)] @inner) @whole
(ambient_declaration [(class_declaration) (abstract_class_declaration) (interface_declaration)
  (enum_declaration) (type_alias_declaration) (function_signature) (lexical_declaration)]
  @inner) @whole
(class_body (decorator) @lead)

(function_declaration return_type: (_) @result) @function
(generator_function_declaration return_type: (_) @result) @function
(method_definition return_type: (_) @result) @function
(function_signature return_type: (_) @result) @function
(abstract_method_signature return_type: (_) @result) @function
(method_signature return_type: (_) @result) @function
(lexical_declaration . (variable_declarator value: (_ return_type: (_) @result)) .) @function
(variable_declaration . (variable_declarator value: (_ return_type: (_) @result)) .) @function
(public_field_definition value: (_ return_type: (_) @result)) @function

(formal_parameters (required_parameter pattern: (identifier) @parameter
  type: (type_annotation (_) @type)? value: (_)? @optional)) @of
(formal_parameters (optional_parameter pattern: (identifier) @parameter
  type: (type_annotation (_) @type)?) @optional) @of
(formal_parameters (required_parameter pattern: (rest_pattern (identifier) @parameter)
  @optional type: (type_annotation (_) @type)?)) @of
(formal_parameters (_ pattern: [(object_pattern) (array_pattern)] @nameless)) @of
(formal_parameters (required_parameter pattern: (this) @receiver)) @of
(export_statement "=" (_) @exports)
