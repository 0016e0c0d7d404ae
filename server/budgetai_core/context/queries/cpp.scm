(class_specifier name: (type_identifier) @name body: (_) @body) @definition.class
(class_specifier (base_class_clause [
  (type_identifier) (qualified_identifier) (template_type)] @base)) @derived
(struct_specifier (base_class_clause [
  (type_identifier) (qualified_identifier) (template_type)] @base)) @derived

(function_definition
  declarator: [
    (function_declarator declarator: [(field_identifier) (destructor_name) (operator_name)] @name)
    (reference_declarator (function_declarator declarator: [
      (identifier) (field_identifier) (operator_name)] @name))
    (pointer_declarator declarator: (function_declarator declarator: (field_identifier) @name))]
  body: (_)? @body) @definition.function
(function_definition
  declarator: [
    (function_declarator declarator: (qualified_identifier
      scope: (_) @owner name: [(identifier) (destructor_name) (operator_name)] @name))
    (reference_declarator (function_declarator declarator: (qualified_identifier
      scope: (_) @owner name: [(identifier) (operator_name)] @name)))
    (pointer_declarator declarator: (function_declarator declarator: (qualified_identifier
      scope: (_) @owner name: (identifier) @name)))]
  body: (_)? @body) @definition.method
(field_declaration declarator: [
  (function_declarator declarator: [(field_identifier) (operator_name)] @name)
  (reference_declarator (function_declarator
    declarator: [(field_identifier) (operator_name)] @name))
  (pointer_declarator declarator: (function_declarator declarator: (field_identifier) @name))])
  @definition.method
(declaration declarator: (function_declarator declarator: [
  (destructor_name) (operator_name)] @name)) @definition.function
(declaration declarator: (reference_declarator (function_declarator
  declarator: [(identifier) (operator_name)] @name))) @definition.function
(alias_declaration name: (type_identifier) @name) @definition.type
(concept_definition name: (identifier) @name) @definition.type

; What the grammar takes for a declaration, a template, a string and a label: modules (C++20).
((declaration type: (type_identifier) @_word declarator: (identifier) @module)
  @import (#eq? @_word "import"))
((expression_statement (template_function
  name: (identifier) @_word arguments: (template_argument_list) @module))
  @import (#eq? @_word "import"))
((expression_statement (concatenated_string . (identifier) @_word . (string_literal) @module .))
  @import (#eq? @_word "import"))
((labeled_statement label: (statement_identifier) @_word (expression_statement (identifier) @module))
  @import (#eq? @_word "import"))
((declaration type: (type_identifier) @_word) @omitted (#eq? @_word "module"))

(lambda_expression) @scope

(raw_string_literal) @string
