(field_definition property: (_) @name
  value: [
    (arrow_function parameters: (_) @list body: (_) @body) @own
    (arrow_function parameter: (_) @list body: (_) @body) @own
    (function_expression parameters: (_) @list body: (_) @body) @own
    (generator_function parameters: (_) @list body: (_) @body) @own]) @function

(formal_parameters (identifier) @parameter) @of
(formal_parameters (assignment_pattern left: (identifier) @parameter right: (_) @optional)) @of
(formal_parameters (rest_pattern (identifier) @parameter) @optional) @of
(formal_parameters [(object_pattern) (array_pattern)] @nameless) @of
(formal_parameters (assignment_pattern left: [(object_pattern) (array_pattern)] @nameless)) @of
