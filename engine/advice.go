package engine

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/flowd/flowd/flows"
)

// Advice is what [Check] passes over since it is legal, and is likely not meant
// all the same: secrets in the document, events that are delivered twice, and
// what waits for something that it has nothing to do with. It is warnings, for
// somebody who writes a document; one that runs is not to be nagged about.
func Advice(doc *flows.Document, reg *Registry) flows.Diagnostics {
	p, diags := planDocument(doc, reg, nil)
	if diags.Failed() {
		return nil
	}
	var advice flows.Diagnostics
	for _, f := range p.flows {
		if !whole(f.nodes) {
			return nil
		}
		advice = append(advice, f.advice...)
		advice = append(advice, f.holdUps()...)
	}
	advice = append(advice, p.dry()...)
	return append(advice, p.shared()...).Sorted()
}

// An Adviser is a configuration that knows what is legal in it and likely not
// meant. It tells that at one of its keys, as a [flows.Validator] does a mistake.
type Adviser interface{ Advise(report flows.Report) }

// advise finds what concerns single nodes.
func (t *typing) advise() flows.Diagnostics {
	var advice flows.Diagnostics
	for _, n := range t.graph.nodes {
		if n.part == nil {
			continue
		}
		advice = append(advice, writtenSecrets(n.doc.Config, reflect.TypeOf(n.spec.Default), n.doc.Type)...)
		if a, ok := n.settings.(Adviser); ok {
			a.Advise(func(key, format string, args ...any) *flows.Diagnostic {
				at := cmp.Or(n.doc.Config.Get(key), n.doc.Config, n.doc.At)
				advice = append(advice, at.Warnf(format, args...))
				return &advice[len(advice)-1]
			})
		}
		again := slices.ContainsFunc(t.in[n], func(v Variant) bool { return v.Again })
		if n.spec.Remote && again {
			d := n.doc.At.Warnf("an event whose sender sends it again is delivered again by %q", n.id)
			d.Hint = `put "dedupe: id" before it`
			advice = append(advice, d)
		}
	}
	return advice
}

// writtenSecrets finds what is secret in a configuration of type t and did not
// come from ${…}. A type that calls itself secret is so in all its parts.
func writtenSecrets(v *flows.Value, t reflect.Type, key string) flows.Diagnostics {
	if v == nil || v.Kind == flows.Null {
		return nil
	}
	if named, ok := reflect.New(t).Interface().(interface{ FlowType() string }); ok {
		if strings.Contains(named.FlowType(), "secret") {
			return plainSecrets(v, key)
		}
		return nil
	}
	var found flows.Diagnostics
	switch t.Kind() {
	case reflect.Pointer:
		return writtenSecrets(v, t.Elem(), key)
	case reflect.Slice:
		if v.Kind != flows.List {
			return writtenSecrets(v, t.Elem(), key)
		}
		for _, item := range v.Items {
			found = append(found, writtenSecrets(item, t.Elem(), key)...)
		}
	case reflect.Map:
		for _, e := range v.Entries {
			found = append(found, writtenSecrets(e.Value, t.Elem(), key)...)
		}
	case reflect.Struct:
		for _, f := range flows.Fields(t) {
			if v.Kind == flows.Map {
				found = append(found, writtenSecrets(v.Get(f.Key), f.Type, f.Key)...)
			} else if f.Main {
				found = append(found, writtenSecrets(v, f.Type, key)...)
			}
		}
	}
	return found
}

func plainSecrets(v *flows.Value, key string) flows.Diagnostics {
	var found flows.Diagnostics
	for _, item := range v.Items {
		found = append(found, plainSecrets(item, key)...)
	}
	for _, e := range v.Entries {
		found = append(found, plainSecrets(e.Value, key)...)
	}
	if v.Scalar() && v.Text != "" && !v.Substituted() {
		d := v.Warnf("a secret stands in the document")
		name := strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		d.Hint = fmt.Sprintf("put it into the environment, and \"${%s}\" here", name)
		found = append(found, d)
	}
	return found
}

// holdUps finds sinks that wait for the destination of another branch, since
// one lane works for both. Debug, which only shows what is there, may.
func (f *flowPlan) holdUps() flows.Diagnostics {
	var advice flows.Diagnostics
	for _, n := range f.nodes {
		if !n.spec.Remote || n.limited {
			continue
		}
		behind, before := f.reach(n, false), f.reach(n, true)
		for _, m := range f.nodes {
			if m.spec.Kind != SinkKind || m.spec.Remote || isQueue(m.impl) || m.spec.Type == "debug" || behind[m] || before[m] {
				continue
			}
			d := n.doc.At.Warnf("while %q can't be reached, %q waits too", n.id, m.id)
			d.Hint = fmt.Sprintf(`put "queue:" before %q`, n.id)
			advice = append(advice, d)
			break
		}
	}
	return advice
}

// reach is the nodes of f that lie behind n, or before it.
func (f *flowPlan) reach(n *node, back bool) map[*node]bool {
	reached := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if reached[n] {
			return
		}
		reached[n] = true
		for _, m := range f.nodes {
			if !back && n.leadsTo(m) || back && m.leadsTo(n) {
				visit(m)
			}
		}
	}
	visit(n)
	return reached
}

func (n *node) leadsTo(m *node) bool {
	return slices.Contains(n.onError, m.index) ||
		slices.ContainsFunc(n.out, func(to []int) bool { return slices.Contains(to, m.index) })
}

// dry finds the sources of topics that no sink of the document writes.
func (p *plan) dry() flows.Diagnostics {
	var written []string
	var readers []*node
	for _, f := range p.flows {
		for _, n := range f.nodes {
			if c, ok := n.impl.(Channel); ok && n.spec.Kind == SinkKind {
				written = append(written, c.Topic())
			} else if ok {
				readers = append(readers, n)
			}
		}
	}
	var advice flows.Diagnostics
	for _, n := range readers {
		name := n.impl.(Channel).Topic()
		if slices.Contains(written, name) {
			continue
		}
		d := n.doc.Config.Warnf("no sink here writes the topic %q", name)
		d.Hint = flows.DidYouMean(name, written)
		advice = append(advice, d)
	}
	return advice
}

// shared finds the paths that several sources take, each of which gets every
// request.
func (p *plan) shared() flows.Diagnostics {
	first := map[string]*node{}
	var advice flows.Diagnostics
	for _, f := range p.flows {
		for _, n := range f.nodes {
			router, ok := n.impl.(Router)
			if !ok {
				continue
			}
			for _, route := range router.Routes(nil) {
				key := route.Method + " " + route.Path
				if other := first[key]; other != nil {
					d := n.doc.At.Warnf("path %s is that of another source too, at %s: each gets every request", route.Path, other.doc.At.Span)
					d.Hint = "one source and a topic can feed many flows"
					advice = append(advice, d)
					break
				}
				first[key] = n
			}
		}
	}
	return advice
}
