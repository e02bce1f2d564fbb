// Package expr is the expression language of flows: expressions, conditions
// and text with {{ }} in it, over the attributes of an event.
//
// The language is that of github.com/expr-lang/expr, whose parser this package
// uses. It compiles the syntax tree itself, since what a flow needs can't be
// had from that module's machine: reading that is safe for nil, integers that
// stay exact, every mistake at once, and a program that can be stopped. What
// both give is compared by FuzzExprLangGivesTheSame.
//
// # The path of an expression
//
// A field of a configuration is an [Expr], a [Condition], a [Text] or a
// [Request] (expr.go). Its DecodeValue takes text apart at {{ and }} (text.go)
// and parses each expression (parse.go). The compiler (compile.go, with names
// and fields in member.go, operators in operator.go and pattern.go, loops in
// loop.go, calls in call.go) makes functions of the tree, learns what kinds of
// value each part can have (kind.go) and collects the mistakes; paths.go lists
// what the expression reads. Where it is known which events come, Check compiles
// once more with what is known of them (typing.go), and Narrow and Shape tell
// what becomes of them (narrow.go). A program runs in a state of its own
// (state.go), which counts its steps and what it takes (limits.go). It looks up
// what it reads of a payload and decodes nothing else of it, and copies what it
// only passes on (lookup.go). What the functions of the language do is listed in
// function.go and stands in number.go, texts.go, lists.go and times.go; write.go
// makes JSON and keys of values. What runs has forgotten the document (Forget in
// expr.go), but for the places of its expressions.
//
// # Invariants
//
//  1. What is not there is nil, and reading on from nil is nil: also an index
//     out of range, a field of a number, and a built-in function of nil, but
//     len, which is 0. A list of nil is empty. Arithmetic with nil is an error
//     that names what is nil.
//
//  2. nil is neither true nor false: as a condition, beside `and` and `or`,
//     after `not` and before `?` it is an error. Beside nil, <, contains and
//     their like are false, and so is `nil in`.
//
//  3. Integers are int64 and exact; what does not fit is an error and never
//     wraps. An int64 and a float64 are compared exactly, and / of two integers
//     is one where there is no rest.
//
//  4. A program changes nothing it reads, and reads only what it names.
//
//  5. Every program ends: a step is counted before it is done, memory before
//     it is taken, and a regular expression is measured before it is compiled.
//     No clock is asked, so an event that passes once passes always.
//
//  6. What Eval returns is a JSON value: a time is its text in RFC 3339.
//
//  7. A compiled value never changes, so many goroutines may use it.
//
//  8. No message shows text that came from ${…}.
//
//  9. What is not known is never complained about. What stands where no event
//     comes is not either, and get(data, "name") reads a field that nobody
//     declared.
//
// # Where it is not expr-lang
//
// Beside nil and integers: places in text (len, indexOf, slices, [i]) are
// counted in characters; keys, values and toPairs are in the order of the
// keys; toJSON writes one line; what is compared with == may be lists and maps
// whose numbers differ in type; groupBy makes text of its keys; join takes
// values that are no text; duration knows days. $env and bytes are left out,
// of methods those of times and durations stay. Ours are hash, slug and uuid.
package expr
