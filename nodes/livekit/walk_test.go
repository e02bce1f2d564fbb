package livekit

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit/logger"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowd/flowd/engine"
)

// bodies are what LiveKit sends, and some of what it may come to send.
func bodies(t testing.TB) []string {
	_, all := vectors(t)
	var list []string
	for _, v := range all {
		if v.LibraryError == "" {
			list = append(list, string(v.body))
		}
	}
	r := newRig(t, nil)
	for _, event := range r.Samples() {
		_, _, body, err := r.Sample(event)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(body))
	}
	return append(list,
		`{ "event" : "room_exploded", "severity":9007199254740993, "debris" : [ {"at":[1,-2,true,null,"é\n"]} , {} , [ ] ] }`,
		`{"event":"room_finished","room":{"name":"\"r\" \u00e9","turnPassword":"x","moods":{}},"participant":{}}`,
		`{"id":"EV_1","createdAt":7,"numDropped":0,"event":"ingress_ended","ingressInfo":{"state":{"video":{"framerate":29.97}}}}`,
		`{"event":"track_published","room":{"sid":"RM_1","name":"r","turnPassword":"x"},"participant":{},"track":{"type":"SMELL"}}`,
	)
}

func TestWhatLiveKitSendsIsNotDecoded(t *testing.T) {
	for _, body := range bodies(t) {
		if _, _, ok := (payload{}).walk([]byte(body)); !ok {
			t.Errorf("goes the long way: %s", body)
		}
	}
	const late = `{"id":"EV_1","room":{"name":"r"},"event":"room_started"}`
	if readAlike(t, late) {
		t.Errorf("the walk knows before the end of %s", late)
	}
}

// readAlike fails t if the walk takes a body and reads another event from it
// than decode. It reports whether the walk took it.
func readAlike(t testing.TB, body string) bool {
	t.Helper()
	p := payload{secrets: len(body)%2 == 0}
	raw, got, ok := p.walk([]byte(body))
	if !ok {
		return false
	}
	data, want, err := p.decode([]byte(body))
	if err != nil {
		t.Errorf("the walk takes %s, which can't be decoded: %v", body, err)
		return true
	}
	if got != want {
		t.Errorf("%s: the walk is told %+v, decode %+v", body, got, want)
	}
	value, err := engine.JSON(raw).Value()
	if err != nil || !reflect.DeepEqual(value, any(data)) {
		t.Errorf("%s: the walk makes %s (%v): %s", body, raw, err, cmp.Diff(any(data), value))
	}
	return true
}

// values are what a field may be sent as, and what it may not.
var values = []string{
	`"x"`, `""`, `"7"`, `7`, `0`, `-0`, `"-0"`, `-7`, `"-7"`, `07`, `"07"`, `+7`, `" 7"`, `7.0`, `7e0`, `"7e0"`, `--7`, `-`, `"-"`, `7-7`, `-0.5`, `7.25`, `"7.25"`, `7.`, `.5`, `1.2.3`, `7.25e-1`, `1e999`, strings.Repeat("9", 400),
	`2147483647`, `2147483648`, `-2147483649`, `4294967295`, `4294967296`, `"9223372036854775807"`, `9223372036854775808`,
	`"18446744073709551615"`, `18446744073709551616`, `true`, `"true"`, `truely`, `null`, `{}`, `[]`, `[null]`, `["x"]`, `[7]`, `["7",7]`, `[true]`,
	`[{}]`, `[[]]`, `[7,]`, `{"x":"x"}`, `{"x":7,"y":7}`, `{"x":"x","x":"x"}`, `{"x":"x","\u0078":"x"}`, `{"x":{}}`, `{"\u0078":"x"}`, `{"x":"x",}`, `{"x"}`, `{"sid":"x"}`,
	`"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\uD83D\n"`, `"\x"`, `"\u00g0"`, "\"\x1f\"", "\"\x80\"", `"`, ``, `"2026-01-01T00:00:00Z"`,
}

func TestEachFieldIsReadAsIfItWereDecoded(t *testing.T) {
	taken := 0
	read := func(body string) {
		if readAlike(t, body) {
			taken++
		}
	}
	seen := map[protoreflect.FullName]bool{}
	var in func(md protoreflect.MessageDescriptor, begin, end string)
	in = func(md protoreflect.MessageDescriptor, begin, end string) {
		if seen[md.FullName()] {
			return
		}
		seen[md.FullName()] = true
		fields := md.Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			for _, v := range values {
				read(begin + `"` + fd.JSONName() + `":` + v + end)
			}
			next := fields.Get((i + 1) % fields.Len()).JSONName()
			read(begin + `"` + fd.JSONName() + `":"x","` + next + `":"x"` + end)
			read(begin + `"` + fd.JSONName() + `":{},"` + next + `":{}` + end)
			read(begin + `"` + fd.JSONName() + `":"7","x":[],"` + fd.JSONName() + `":"7"` + end)
			read(begin + `"` + fd.TextName() + `":"7"` + end)
			read(begin + fmt.Sprintf(`"\u%04x%s":"7"`, fd.JSONName()[0], fd.JSONName()[1:]) + end)
			if fd.IsMap() && fd.MapValue().Message() != nil {
				in(fd.MapValue().Message(), begin+`"`+fd.JSONName()+`":{"x":{`, "}}"+end)
			} else if fd.Message() != nil && fd.IsList() {
				in(fd.Message(), begin+`"`+fd.JSONName()+`":[{},{`, "}]"+end)
			} else if fd.Message() != nil && !fd.IsMap() {
				in(fd.Message(), begin+`"`+fd.JSONName()+`":{`, "}"+end)
			}
		}
		read(begin + `"[` + string(logger.E_Sensitivity.TypeDescriptor().FullName()) + `]":7` + end)
		read(begin + `"[x]":7` + end)
	}
	in(eventType, `{"event":"room_started",`, "}")
	if taken < 1000 {
		t.Errorf("the walk took %d bodies", taken)
	}
}

var jsonToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^\s"{}\[\]:,]+|.`)

func TestABodyThatIsChangedIsReadAsIfItWereDecoded(t *testing.T) {
	n := 0
	for _, body := range bodies(t) {
		tokens := jsonToken.FindAllString(body, -1)
		for i := range tokens {
			for _, s := range append([]string{"", " ", ",", ":", "{", "}", "]"}, values...) {
				if n++; n%11 > 0 { // others for each
					continue
				}
				readAlike(t, strings.Join(slices.Concat(tokens[:i], []string{s}, tokens[i+1:]), ""))
			}
		}
		for i := 0; i < len(body); i += 5 {
			readAlike(t, body[:i])
			readAlike(t, body+body[i:])
		}
	}
}

func TestABodyThatIsTooDeepOrTooWideGoesTheLongWay(t *testing.T) {
	keys := make([]string, maxKeys+1)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	for _, inside := range []string{
		`"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		`"participant":{"attributes":{` + strings.Join(keys, ",") + `}}`,
	} {
		body := `{"event":"participant_joined",` + inside + `}`
		if readAlike(t, body) {
			t.Errorf("the walk takes %.80s", body)
		}
		if _, _, err := (payload{}).read([]byte(body)); err != nil {
			t.Errorf("%.80s: %v", body, err)
		}
	}
}

func FuzzABodyIsReadAsIfItWereDecoded(f *testing.F) {
	for _, body := range bodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) { readAlike(t, body) })
}
