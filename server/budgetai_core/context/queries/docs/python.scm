(module) @module
(function_definition name: (identifier) @name parameters: (_) @list return_type: (_)? @result
  ":" @head body: (_) @body) @function
(class_definition name: (identifier) @name ":" @head body: (_) @body) @class
(decorated_definition definition: (_) @inner) @whole
(decorated_definition (decorator) @decorator definition: (class_definition) @inner)
(class_definition superclasses: (argument_list (_) @base)) @derived
(lambda) @scope

(parameters (identifier) @parameter) @of
(parameters (typed_parameter . (identifier) @parameter type: (_) @type)) @of
(parameters (typed_parameter . (_ (identifier) @parameter) @optional @star type: (_) @type)) @of
(parameters (default_parameter name: (identifier) @parameter value: (_) @optional)) @of
(parameters (typed_default_parameter
  name: (identifier) @parameter type: (_) @type value: (_) @optional)) @of
(parameters (_ . (identifier) @parameter .) @star @optional) @of
(class_definition body: (block (expression_statement
  (assignment left: (identifier) @field type: (_) @type right: (_)? @optional)))) @of

(return_statement (_) @return)
(yield) @yield
(raise_statement . [(identifier) (attribute)] @raise)
(raise_statement . (call function: [(identifier) (attribute)] @raise))

(module . (comment)* . (expression_statement . [(string) (concatenated_string)] @docstring .))
  @documented
(class_definition
  body: (block . (expression_statement . [(string) (concatenated_string)] @docstring .)))
  @documented
(function_definition
  body: (block . (expression_statement . [(string) (concatenated_string)] @docstring .)))
  @documented
