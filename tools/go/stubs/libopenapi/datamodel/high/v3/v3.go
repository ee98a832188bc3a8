// Package v3 has the parts of an OpenAPI document that `pulumi cloud` names.
package v3

import (
	"github.com/pb33f/libopenapi/datamodel/high/base"
	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

type (
	// Document is a whole description of an API.
	Document struct {
		Info       *base.Info
		Paths      *Paths
		Components *Components
	}

	// Components are the schemas that have a name.
	Components struct {
		Schemas *orderedmap.Map[string, *base.SchemaProxy]
	}

	// Paths are what can be asked.
	Paths struct {
		PathItems *orderedmap.Map[string, *PathItem]
	}

	// PathItem is what can be asked at one path.
	PathItem struct{ Get, Post, Put, Delete, Patch, Head *Operation }

	// Operation is one of an API's requests.
	Operation struct {
		OperationId, Summary, Description string
		Tags                              []string
		Parameters                        []*Parameter
		RequestBody                       *RequestBody
		Responses                         *Responses
		Deprecated                        *bool
		Extensions                        *orderedmap.Map[string, *yaml.Node]
	}

	// Parameter is a value that a request has outside its body.
	Parameter struct {
		Name, In, Description string
		Required              *bool
		Schema                *base.SchemaProxy
	}

	// RequestBody is what a request carries.
	RequestBody struct {
		Content *orderedmap.Map[string, *MediaType]
	}

	// Responses are an operation's answers.
	Responses struct {
		Codes   *orderedmap.Map[string, *Response]
		Default *Response
	}

	// Response is one answer.
	Response struct {
		Description string
		Content     *orderedmap.Map[string, *MediaType]
	}

	// MediaType is a body's schema.
	MediaType struct{ Schema *base.SchemaProxy }
)
