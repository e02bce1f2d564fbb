package flows

import "sync"

// A Document is what the files given to flowd say, merged: the settings of the
// daemon as values with their places, and the flows.
type Document struct {
	Server *Value // where webhooks arrive; nil if left out, as are the next two
	Admin  *Value // health, metrics, API, page
	Store  *Value // where events are kept
	Flows  []*Flow
	Files  []string // every file that was read, and the folders and ${file:…} that were looked at, sorted

	mu   sync.Mutex
	seen Fingerprints // of what Files held, and of what nodes depend on
}

// Forget lets go of what d says, when it has been put to use. Files and
// [Document.Watch] are as before.
func (d *Document) Forget() { d.Server, d.Admin, d.Store, d.Flows = nil, nil, nil, nil }

// A Flow is a named graph of nodes.
type Flow struct {
	Name        string
	At          *Value // its name in the document
	Description string
	Lanes       int    // at least 1; 0 if what the document says is wrong
	OrderBy     *Value // an expression, or nil
	Nodes       []*Node
}

// A Node is an entry of a flow: a node type with its own configuration, and
// the engine's keys, which mean the same for every type.
type Node struct {
	ID      string // given, or the type; the second of a type is type-2
	Type    string
	At      *Value // the key that names its type
	Config  *Value // its own configuration
	From    []Ref  // where its events come from, as the document says it
	Above   *Node  // the node above it; nil for the first
	When    *Value // an expression, or nil
	Retry   *Value // or nil
	Timeout *Value // or nil
	OnError OnError
}

// A Ref names a node, or one of its ports: ID or ID.PORT.
type Ref struct {
	ID   string
	Port string // empty for the first
	At   *Value
	Node *Node // the node it names; nil if there is none
}

// OnError is what becomes of an event that a node gives up.
type OnError uint8

// What may become of it.
const (
	ToDeadLetters OnError = iota
	Drop
)
