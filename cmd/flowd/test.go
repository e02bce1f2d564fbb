package main

import (
	"context"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// testCommand runs the tests of flows.
func testCommand() *command {
	t := &tester{}
	return &command{
		name: "test", args: "[PATH]... [-f PATH]... [flags]",
		summary: "run the tests of flows, NAME_test.yaml, in virtual time; nothing leaves the machine",
		most:    1 << 10,
		flags: func(set *flag.FlagSet, o *options) {
			fileFlag(set, o)
			set.StringVar(&t.match, "run", "", "run the tests whose name matches `REGEXP`")
			set.BoolVar(&t.verbose, "v", false, "tell of every test, and what became of its events")
			set.BoolVar(&t.cover, "cover", false, "tell which nodes and ports no event came to")
			set.BoolVar(&t.update, "update", false, "write what came of the tests into what they expect")
			set.StringVar(&t.junit, "junit", "", "write the results to `FILE` in the format of JUnit")
		},
		run: func(_ context.Context, o *options, args []string) error {
			t.options = o
			return t.run(args)
		},
	}
}

// A tester runs tests and tells of them.
type tester struct {
	*options
	match, junit           string
	verbose, cover, update bool

	wanted  *regexp.Regexp
	report  junitSuites
	covered enginetest.Coverage
}

func (t *tester) run(args []string) error {
	var err error
	if t.wanted, err = regexp.Compile(t.match); err != nil {
		return usage("--run: %v", err)
	}
	suites, err := t.suites(args)
	if err != nil {
		return err
	}
	if len(suites) == 0 {
		return usage("no tests: they stand in NAME_test.yaml, beside the flows")
	}
	bad := false
	for _, path := range suites {
		bad = !t.suite(path, len(args) == 0) || bad
	}
	if t.cover {
		fmt.Fprint(t.out, t.covered.Report())
	}
	if t.junit != "" {
		if err := t.report.write(t.junit); err != nil {
			return err
		}
	}
	if bad {
		return status(wrong)
	}
	return nil
}

// suites lists the files of tests: those that the arguments name, files or
// folders, or those beside the documents.
func (t *tester) suites(args []string) ([]string, error) {
	if len(args) == 0 {
		for _, path := range t.documents() {
			args = append(args, folderOf(path))
		}
	}
	var all []string
	for _, path := range args {
		found := []string{path}
		if info, err := os.Stat(path); err != nil {
			return nil, usage("%v", err)
		} else if info.IsDir() {
			if found, err = filepath.Glob(filepath.Join(path, "*_test.y*ml")); err != nil {
				return nil, usage("%v", err)
			}
		} else if !enginetest.IsSuite(path) {
			return nil, usage("%s: a file of tests is called NAME_test.yaml", path)
		}
		for _, f := range found {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// suite runs the tests of one file. Its documents are those that -f names, or
// those beside it.
func (t *tester) suite(path string, beside bool) (ok bool) {
	start := time.Now()
	suite, diags := enginetest.ReadSuite(path)
	var doc *flows.Document
	if !diags.Failed() {
		given := []string(t.files)
		if beside && len(given) == 0 {
			given = t.documents()
		}
		var found flows.Diagnostics
		doc, found = suite.Load(path, given, os.LookupEnv)
		diags = append(diags, found...)
		diags = append(diags, engine.Check(doc, registry)...).Sorted()
	}
	if diags.Failed() {
		fmt.Fprint(t.err, diags.Format())
		fmt.Fprintf(t.out, "FAIL  %s\n", path)
		t.report.add(path, nil, time.Since(start)).fail("the file", diags.Error())
		return false
	}
	var results []*enginetest.Result
	failed, due := 0, 0 // due to be written by --update
	for _, scenario := range suite.Tests {
		if !t.wanted.MatchString(scenario.Name) {
			continue
		}
		result := scenario.Run(doc, registry)
		results = append(results, result)
		t.covered.Add(doc, result)
		if !result.Passed() {
			failed++
		}
		if !result.Passed() || scenario.Expect.Value == nil {
			due++
		}
		t.tell(result)
	}
	if t.update && due > 0 {
		changed, err := enginetest.Update(path, results)
		if err != nil {
			fmt.Fprintf(t.err, "flowd: %v\n", err)
			return false
		}
		fmt.Fprintf(t.out, "wrote %s in %s\n", count(changed, "expectation"), path)
		if changed < due {
			fmt.Fprintf(t.err, "flowd: %s left as they are, since they stand in braces: write them line by line\n", count(due-changed, "test"))
		}
		return changed == due
	}
	t.report.add(path, results, time.Since(start))
	verdict := "ok  "
	if failed > 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(t.out, "%s  %s  %s", verdict, path, count(len(results), "test"))
	if failed > 0 {
		fmt.Fprintf(t.out, ", %d failed", failed)
	}
	fmt.Fprintf(t.out, "  %.2fs\n", time.Since(start).Seconds())
	return failed == 0
}

// tell prints a test that failed, and with -v every test.
func (t *tester) tell(r *enginetest.Result) {
	switch {
	case !r.Passed() && !t.update:
		fmt.Fprintf(t.out, "--- FAIL: %s\n%s", r.Name, r.Report())
	case t.verbose:
		fmt.Fprintf(t.out, "--- ok: %s\n%s", r.Name, r.Report())
	}
	if t.verbose {
		for line := range strings.Lines(r.Log) {
			fmt.Fprint(t.out, "    log: "+line)
		}
	}
}

// The format that JUnit made, as CI systems read it.
type junitSuites struct {
	XMLName xml.Name      `xml:"testsuites"`
	Suites  []*junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (j *junitSuites) add(path string, results []*enginetest.Result, took time.Duration) *junitSuite {
	s := &junitSuite{Name: path, Time: seconds(took)}
	j.Suites = append(j.Suites, s)
	for _, r := range results {
		if r.Passed() {
			s.Cases = append(s.Cases, junitCase{Name: r.Name, Class: r.Flow, Time: seconds(r.Took)})
		} else {
			s.fail(r.Name, r.Report())
			s.Cases[len(s.Cases)-1].Class, s.Cases[len(s.Cases)-1].Time = r.Flow, seconds(r.Took)
		}
	}
	s.Tests = len(s.Cases)
	return s
}

func (s *junitSuite) fail(name, text string) {
	first, _, _ := strings.Cut(text, "\n")
	s.Cases = append(s.Cases, junitCase{Name: name, Time: seconds(0), Failure: &junitFailure{first, text}})
	s.Failures++
	s.Tests = len(s.Cases)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func (j *junitSuites) write(path string) error {
	text, err := xml.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(xml.Header), append(text, '\n')...), 0o644)
}
