(class_declaration name: (_) @name body: (_) @body) @class
(record_declaration name: (_) @name parameters: (_) @list body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @class
(enum_declaration name: (_) @name body: (_) @body) @class
(annotation_type_declaration name: (_) @name body: (_) @body) @class
(method_declaration type: (_) @result name: (_) @name parameters: (_) @list body: (_)? @body)
  @function
(constructor_declaration name: (_) @name parameters: (_) @list body: (_) @body) @function
(compact_constructor_declaration name: (_) @name body: (_) @body) @function
[(lambda_expression) (object_creation_expression (class_body))] @scope

(formal_parameters (formal_parameter type: (_) @type name: (identifier) @parameter)) @of
(formal_parameters (spread_parameter
  (_) @type (variable_declarator name: (identifier) @parameter)) @optional) @of

(throws (_) @raise)
(throw_statement (object_creation_expression type: (_) @raise))

[(line_comment) (block_comment)] @comment
