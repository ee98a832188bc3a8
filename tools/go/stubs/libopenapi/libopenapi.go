// Package libopenapi stands in for the library with which `pulumi cloud` reads the description of Pulumi Cloud's API. The local cloud never
// asks Pulumi Cloud, and the library takes a tenth of the compiler's time.
package libopenapi

import (
	"errors"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Document is what NewDocument would have read.
type Document struct{}

// Model holds what BuildV3Model would have built.
type Model struct{ Model v3.Document }

// NewDocument refuses every document.
func NewDocument([]byte) (*Document, error) {
	return nil, errors.New("this Pulumi CLI, built for the local cloud, reads no OpenAPI; install Pulumi's own")
}

// BuildV3Model is never reached.
func (*Document) BuildV3Model() (*Model, error) { return nil, errors.ErrUnsupported }
