// Package base has the properties of a schema that `pulumi cloud` names.
package base

import (
	"errors"

	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

type (
	// Info is what a document says about itself.
	Info struct{ Version string }

	// Hashed is a schema as it was read.
	Hashed struct{}

	// SchemaProxy is a reference to a schema.
	SchemaProxy struct{}

	// Discriminator says which schema of several holds.
	Discriminator struct {
		PropertyName string
		Mapping      *orderedmap.Map[string, string]
	}

	// Either holds a schema or whether there may be any.
	Either struct{ A *SchemaProxy }

	// Schema is a JSON schema.
	Schema struct {
		Type, Required               []string
		Description, Format, Pattern string
		AllOf, AnyOf, OneOf          []*SchemaProxy
		Items, AdditionalProperties  *Either
		Properties                   *orderedmap.Map[string, *SchemaProxy]
		Discriminator                *Discriminator
		MinLength, MaxLength         *int64
		Minimum, Maximum, MultipleOf *float64
		Nullable, ReadOnly           *bool
		Default                      *yaml.Node
		Enum                         []*yaml.Node
		Extensions                   *orderedmap.Map[string, *yaml.Node]
	}
)

// IsA is whether there is a schema.
func (e *Either) IsA() bool { return e.A != nil }

// Schema finds nothing.
func (*SchemaProxy) Schema() *Schema { return nil }

// Hash is the same for every schema.
func (*Hashed) Hash() uint64 { return 0 }

// GoLow is nothing: no schema was read.
func (*Schema) GoLow() *Hashed { return nil }

// MarshalJSONInline is never reached.
func (*Schema) MarshalJSONInline() ([]byte, error) { return nil, errors.ErrUnsupported }
