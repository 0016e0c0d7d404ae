(function_item name: (identifier) @name body: (block) @body) @definition.function
(function_signature_item name: (identifier) @name) @definition.function
(struct_item name: (type_identifier) @name body: (field_declaration_list)? @body) @definition.class
(union_item name: (type_identifier) @name body: (field_declaration_list) @body) @definition.class
(enum_item name: (type_identifier) @name body: (enum_variant_list) @body) @definition.enum
(trait_item name: (type_identifier) @name body: (declaration_list) @body) @definition.interface
(trait_item bounds: (trait_bounds (_) @base)) @derived
(impl_item type: [
  (type_identifier) @name
  (generic_type type: (type_identifier) @name)
  (scoped_type_identifier name: (type_identifier) @name)]) @definition.extension
(mod_item name: (identifier) @name body: (declaration_list) @body) @definition.namespace
(field_declaration name: (field_identifier) @name) @definition.field
(enum_variant name: (identifier) @name) @definition.member
(type_item name: (type_identifier) @name) @definition.type
(const_item name: (identifier) @name) @definition.constant
(static_item name: (identifier) @name) @definition.constant
(macro_definition name: (identifier) @name "(" ? @body "{" ? @body) @definition.macro
(closure_expression) @scope

(use_declaration argument: [(identifier) (crate) (self) (super)] @module) @import
(use_declaration argument: (scoped_identifier path: (_) @module name: (_) @imported)) @import
(use_declaration argument: (use_as_clause
  path: (scoped_identifier path: (_) @module name: (_) @imported))) @import
(use_declaration argument: (use_wildcard (_) @module "*" @imported)) @import
(use_declaration argument: (scoped_use_list path: (_) @module list: (use_list [
  (identifier) @imported
  (self) @imported
  (use_as_clause path: (identifier) @imported)
  (use_wildcard) @imported]))) @import
(use_declaration argument: (scoped_use_list path: (_) @module list: (use_list [
  (scoped_identifier path: (_) @imported)
  (scoped_use_list path: (_) @imported)]))) @import
(mod_item name: (identifier) @module !body) @import
(extern_crate_declaration name: (identifier) @module) @import

[(line_comment) (block_comment)] @comment
[(string_literal) (raw_string_literal) (char_literal)] @string
