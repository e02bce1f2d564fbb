package admin

import _ "embed"

// Source is the Go source that declares [Config]; its comments are what people
// are told of the section.
//
//go:embed config.go
var Source string
