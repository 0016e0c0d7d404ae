(class_declaration (class_heritage (_) @base)) @derived
(field_definition property: (_) @name) @definition.field
