// Package java stands in for the one struct that the docker-build provider names when it prints its schema.
package java

// PackageInfo are the Java settings of a schema; nothing here generates Java.
type PackageInfo struct {
	BuildFiles                      string
	GradleNexusPublishPluginVersion string
	Dependencies                    map[string]string
}
