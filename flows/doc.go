// Package flows is the language of flows: documents in YAML, their mistakes
// with their places, and the decoding of what they say into Go. It knows no node
// and no engine.
//
// # The way of a document
//
//   - load.go and files.go read the files and folders that -f names.
//   - parse.go and scalar.go make a tree of values of each file, on top of
//     yaml.v3, which says where a value begins; places.go finds where each
//     character of its text stands, so that a mistake inside an expression can
//     be shown in it, and passage.go keeps that for what runs without the
//     document. Where yaml.v3 refuses a text, syntax.go says why:
//     proofread.go, plain.go and brackets.go look for the line that a person has
//     to change.
//   - env.go puts in what ${…} stands for.
//   - shape.go merges the values into a [Document]: sections, flows, nodes and
//     what they refer to; loops.go finds the loops.
//   - decode.go fills the configurations of nodes, declared as in fields.go;
//     units.go has the types for sizes, durations and secrets; comments.go
//     tells people what may be configured.
//   - write.go writes values without their secrets, which redact.go knows by
//     their form.
//   - diagnostic.go shows mistakes, hide.go without the secrets on their lines;
//     nearest.go knows what was meant.
//   - watch.go tells when a document is another, and depend.go when a file is
//     that it names.
//
// # Invariants
//
//  1. All mistakes are found in one go: each step goes on with what the one
//     before could save, and a syntax error costs no more than its own file. A
//     value whose mistake is told gives no other mistakes.
//  2. A mistake that has a place names it in characters, and the caret under its
//     line shows just what file:line:column points at. A place is always inside
//     its file.
//  3. What ${…} stands for is text. It never changes the shape of a document,
//     and no message tells it.
//  4. Values don't change once [Load] or [ParseValue] has returned. Aliases
//     share them. What [Decode] finds to be secret is noted with the file, for
//     diagnostics that are shown later.
//  5. Time and memory are bounded by the size of the files, which is bounded:
//     aliases may stand for no more than a hundred thousand values.
//  6. The proofreader is asked only about what yaml.v3 refuses, and never claims
//     a fault below the place where yaml.v3 gave up.
package flows
