// Package codegen stands in for the one struct that the docker-build provider names when it prints its schema.
package codegen

// CSharpPackageInfo are the C# settings of a schema; nothing here generates C#.
type CSharpPackageInfo struct {
	PackageReferences    map[string]string
	RespectSchemaVersion bool
}
