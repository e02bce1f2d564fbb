// Package expr is the expression language of flows: expressions, conditions
// and text with {{ }} in it, over the attributes of an event.
//
// The language is that of github.com/expr-lang/expr, whose parser this package
// uses. It compiles the syntax tree itself, since what a flow needs can't be
// had from that module's machine: reading that is safe for nil, integers that
// stay exact, every mistake at once, and a program that can be stopped.
//
// # The path of an expression
//
// A field of a configuration is an [Expr], a [Condition], a [Text] or a
// [Request] (expr.go). Its DecodeValue takes text apart at {{ and }} (text.go)
// and parses each expression (parse.go). The compiler (compile.go, operators in
// operator.go, members and names in member.go, loops in loop.go, calls in
// call.go) turns the tree into functions, learns what kinds of value each part
// can have (kind.go), notes what the program reads (paths.go) and collects the
// mistakes. A program runs in a [state] of its own (state.go), which counts its
// steps and the bytes it takes (limits.go). What the functions of the language
// do is in functions.go, texts.go, lists.go, numbers.go and times.go.
//
// # Invariants
//
//  1. What is not there is nil, and reading on from nil is nil: also an index
//     out of range, a field of a number, and a built-in function of nil.
//     Lists of nil are empty. Arithmetic with nil is an error that names it.
//  2. nil is neither true nor false: as a condition, before and after `and`,
//     `or`, `not` and `?` it is an error. Comparing nil with < is false.
//  3. Integers are int64 and exact; what does not fit is an error and never
//     wraps. An int64 and a float64 are compared exactly.
//  4. A program changes nothing it reads, and reads only what it names.
//  5. Every program ends: a step is counted before it is done, memory before
//     it is taken, and the size of a regular expression before it is compiled.
//     The same event costs the same each time; no clock is asked.
//  6. What Eval returns is a JSON value: a time is its text in RFC 3339.
//  7. A compiled value never changes, so many goroutines may use it.
//  8. No message shows text that came from ${…}.
package expr
