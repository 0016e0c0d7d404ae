(source_file) @module
(function_item name: (_) @name parameters: (_) @list return_type: (_)? @result body: (_) @body)
  @function
(function_signature_item name: (_) @name parameters: (_) @list return_type: (_)? @result)
  @function
(struct_item name: (_) @name body: (_)? @body) @class
(union_item name: (_) @name body: (_) @body) @class
(enum_item name: (_) @name body: (_) @body) @class
(trait_item name: (_) @name body: (_) @body) @class
(type_item name: (_) @name) @class
(impl_item type: [
  (type_identifier) @name
  (generic_type type: (type_identifier) @name)
  (scoped_type_identifier name: (type_identifier) @name)]) @extension
(attribute_item) @lead
(closure_expression) @scope

(parameters (parameter pattern: (identifier) @parameter type: (_) @type)) @of
(parameters (parameter pattern: [
  (reference_pattern (identifier) @parameter)
  (ref_pattern (identifier) @parameter)] type: (_) @type)) @of
(parameters (parameter pattern: (reference_pattern [(tuple_pattern) (struct_pattern)
  (tuple_struct_pattern) (slice_pattern)] @nameless))) @of
(parameters (parameter pattern: [(tuple_pattern) (struct_pattern) (tuple_struct_pattern)
  (slice_pattern)] @nameless)) @of

(parameters (self_parameter (self) @receiver)) @of
(parameters (parameter pattern: (self) @receiver)) @of
(impl_item trait: (_) @trait) @fulfils

(return_expression (_) @return)
(function_item return_type: [
  (generic_type type: [(type_identifier) @error (scoped_type_identifier name: (_) @error)])
  (scoped_type_identifier name: (_) @error)
  (type_identifier) @error] (#match? @error "Result$"))
(function_signature_item return_type: [
  (generic_type type: [(type_identifier) @error (scoped_type_identifier name: (_) @error)])
  (scoped_type_identifier name: (_) @error)
  (type_identifier) @error] (#match? @error "Result$"))
((macro_invocation macro: (identifier) @panic) (#eq? @panic "panic"))

[(line_comment) (block_comment)] @comment
